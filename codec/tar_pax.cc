// SPDX-License-Identifier: Apache-2.0
#include "codec/tar_pax.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "codec/xattrs.h"

namespace lazybuild::codec {
namespace {

struct Record {
    std::string_view key;
    std::string_view value;
};

template <class Integer>
std::optional<Integer> decimal(std::string_view text) {
    Integer value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

// Takes the first record off `text`. Its length counts its own digits.
Result<Record> take_record(std::string_view& text) {
    constexpr std::size_t kDigitsMax = 20;
    const auto refuse = [] { return fail(corrupt("malformed PAX record")); };
    const std::size_t space = text.substr(0, kDigitsMax + 1).find(' ');
    if (space == std::string_view::npos) {
        return refuse();
    }
    const auto length = decimal<std::size_t>(text.substr(0, space));
    if (!length || *length > text.size() || *length < space + 2 || text[*length - 1] != '\n') {
        return refuse();
    }
    const std::string_view body = text.substr(space + 1, *length - space - 2);
    const std::size_t equals = body.find('=');
    if (equals == std::string_view::npos || equals == 0) {
        return refuse();
    }
    text.remove_prefix(*length);
    return Record{.key = body.substr(0, equals), .value = body.substr(equals + 1)};
}

// "-1.5" is half a second before -1: whole seconds are taken downwards, as Go's Time.Unix() does.
// Digits past nanoseconds do not count, as in Go.
std::optional<std::int64_t> seconds_of(std::string_view text) {
    constexpr std::size_t kNanosecondDigits = 9;
    const std::size_t point = text.find('.');
    const auto whole = decimal<std::int64_t>(text.substr(0, point));
    if (!whole || point == std::string_view::npos) {
        return whole;
    }
    const std::string_view fraction = text.substr(point + 1);
    if (fraction.find_first_not_of("0123456789") != std::string_view::npos) {
        return std::nullopt;
    }
    const bool none =
        fraction.substr(0, kNanosecondDigits).find_first_not_of('0') == std::string_view::npos;
    if (none || text.front() != '-') {
        return whole;
    }
    if (*whole == std::numeric_limits<std::int64_t>::min()) {
        return std::nullopt;
    }
    return *whole - 1;
}

Result<void> set_text(std::string& target, const Record& record) {
    if (record.value.find('\0') != std::string_view::npos) {
        return fail(corrupt(fmt::format("PAX record {} holds a NUL byte", record.key)));
    }
    target = record.value;
    return {};
}

Result<void> set_number(std::optional<std::int64_t>& target, const Record& record,
                        std::optional<std::int64_t> value) {
    if (record.value.empty()) {  // takes back an earlier record
        target.reset();
        return {};
    }
    if (!value) {
        return fail(corrupt(fmt::format("PAX record {} is not a number", record.key)));
    }
    target = value;
    return {};
}

Result<void> apply_record(PaxRecords& records, const Record& record) {
    const auto [key, value] = record;
    if (key.find('\0') != std::string_view::npos) {
        return fail(corrupt("PAX record with a NUL byte in its name"));
    }
    if (key == "path") {
        return set_text(records.path, record);
    }
    if (key == "linkpath") {
        return set_text(records.link_path, record);
    }
    if (key == "uname") {
        return set_text(records.user_name, record);
    }
    if (key == "gname") {
        return set_text(records.group_name, record);
    }
    if (key == "uid") {
        return set_number(records.uid, record, decimal<std::int64_t>(value));
    }
    if (key == "gid") {
        return set_number(records.gid, record, decimal<std::int64_t>(value));
    }
    if (key == "size") {
        return set_number(records.size_bytes, record, decimal<std::int64_t>(value));
    }
    if (key == "mtime") {
        return set_number(records.mtime_s, record, seconds_of(value));
    }
    if (key.starts_with(kPaxXattrPrefix)) {
        records.xattrs.push_back(Xattr{.name = std::string{key.substr(kPaxXattrPrefix.size())},
                                       .value = std::string{value}});
    } else if (key.starts_with("GNU.sparse.")) {
        records.sparse = true;
    }
    return {};
}

}  // namespace

Result<PaxRecords> parse_pax_records(std::string_view text) {
    PaxRecords records;
    while (!text.empty()) {
        TRY(const Record record, take_record(text));
        CHECK_OK(apply_record(records, record));
    }
    sort_xattrs(records.xattrs);
    if (xattr_bytes(records.xattrs) > kXattrBytesMax) {
        return fail(over_limit(fmt::format("xattrs of more than {} bytes", kXattrBytesMax)));
    }
    return records;
}

void append_pax_record(std::string& text, std::string_view key, std::string_view value) {
    // The length counts its own digits; one more digit may take it over the next power of ten.
    const std::size_t rest = key.size() + value.size() + 3;  // ' ', '=' and '\n'
    std::size_t length = rest + fmt::formatted_size("{}", rest);
    length = rest + fmt::formatted_size("{}", length);
    fmt::format_to(std::back_inserter(text), "{} {}=", length, key);
    text += value;
    text += '\n';
}

}  // namespace lazybuild::codec
