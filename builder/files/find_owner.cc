// SPDX-License-Identifier: Apache-2.0
// Accounts are looked up in the files of the image alone, whose symlinks lead nowhere else; never
// through the C library, which would ask this machine.
#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <optional>

#include "builder/files/copy.h"

namespace lazybuild::files {
namespace {

/// 2^32-1 is "no change" to chown(2).
constexpr std::uint32_t kIdMax = std::numeric_limits<std::uint32_t>::max() - 1;

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number > kIdMax) {
        return std::nullopt;
    }
    return number;
}

Result<std::uint32_t> checked_id(std::string_view text) {
    const auto number = parse_id(text);
    if (!number) {
        return fail(
            invalid(fmt::format("{} is no user or group number: they end at {}", text, kIdMax)));
    }
    return *number;
}

Result<std::string> read_accounts(layers::FileSource* files, std::string_view path,
                                  std::string_view name) {
    if (files == nullptr) {
        return fail(invalid(fmt::format(
            "\"{}\" is a name, and there is no file system with an /{} to look it up in", name,
            path)));
    }
    TRY(const std::string place, layers::resolve(*files, path));
    TRY(const std::optional<layers::FileInfo> info, files->look(place));
    if (!info || info->type != codec::FileType::regular) {
        return fail(
            invalid(fmt::format("\"{}\" cannot be looked up: the image has no /{}", name, path)));
    }
    if (info->size_bytes > kAccountFileBytesMax) {
        return fail(
            over_limit(fmt::format("/{} has more than {} bytes", path, kAccountFileBytesMax)));
    }
    std::string text(info->size_bytes, '\0');
    TRY(const std::unique_ptr<ByteSource> content, files->open(place));
    TRY(const std::size_t count,
        read_full(*content, std::as_writable_bytes(std::span{text.data(), text.size()})));
    text.resize(count);
    return text;
}

/// The fields of the first line whose first one is `name`.
std::optional<std::vector<std::string_view>> find_account(std::string_view text,
                                                          std::string_view name) {
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (!line.starts_with(name) || !line.substr(name.size()).starts_with(':')) {
            continue;
        }
        std::vector<std::string_view> fields;
        while (true) {
            const std::size_t colon = line.find(':');
            fields.push_back(line.substr(0, colon));
            if (colon == std::string_view::npos) {
                return fields;
            }
            line.remove_prefix(colon + 1);
        }
    }
    return std::nullopt;
}

Result<Owner> find_user(const std::string& name, layers::FileSource* files) {
    constexpr std::size_t kUidField = 2, kGidField = 3;
    TRY(const std::string text, read_accounts(files, "etc/passwd", name));
    const auto account = find_account(text, name);
    if (!account) {
        return fail(invalid(fmt::format("the image has no user \"{}\" in /etc/passwd", name)));
    }
    const auto uid = account->size() > kGidField ? parse_id((*account)[kUidField]) : std::nullopt;
    const auto gid = uid ? parse_id((*account)[kGidField]) : std::nullopt;
    if (!gid) {
        return fail(corrupt(fmt::format("the line of user \"{}\" in /etc/passwd is none", name)));
    }
    return Owner{.uid = *uid, .gid = *gid};
}

Result<std::uint32_t> find_group(const std::string& name, layers::FileSource* files) {
    constexpr std::size_t kGidField = 2;
    TRY(const std::string text, read_accounts(files, "etc/group", name));
    const auto account = find_account(text, name);
    if (!account) {
        return fail(invalid(fmt::format("the image has no group \"{}\" in /etc/group", name)));
    }
    const auto gid = account->size() > kGidField ? parse_id((*account)[kGidField]) : std::nullopt;
    if (!gid) {
        return fail(corrupt(fmt::format("the line of group \"{}\" in /etc/group is none", name)));
    }
    return *gid;
}

}  // namespace

Result<Owner> find_owner(const std::string& text, layers::FileSource* files) {
    const std::size_t colon = text.find(':');
    const std::string user = text.substr(0, colon);
    const std::string group = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (group.find(':') != std::string::npos || user.find('\n') != std::string::npos ||
        group.find('\n') != std::string::npos) {
        return fail(invalid(fmt::format("\"{}\" is no user:group", text)));
    }
    Owner owner;
    if (is_number(user)) {
        TRY(owner.uid, checked_id(user));
        owner.gid = owner.uid;
    } else if (!user.empty()) {
        TRY(owner, find_user(user, files));
    }
    if (is_number(group)) {
        TRY(owner.gid, checked_id(group));
    } else if (!group.empty()) {
        TRY(owner.gid, find_group(group, files));
    }
    return owner;
}

}  // namespace lazybuild::files
