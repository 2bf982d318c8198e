// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/user.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>

#include "base/bytes.h"
#include "base/stream.h"

namespace lazybuild::exec {
namespace {

/// An id as the files have it; the kernel's "none" (2^32-1) is not one.
std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() ||
        value > std::numeric_limits<std::int32_t>::max()) {
        return std::nullopt;
    }
    return value;
}

/// "" when there is no such file.
Result<std::string> read_text(layers::FileSource& files, std::string_view path) {
    TRY(const std::string resolved, layers::resolve(files, path));
    TRY(const auto info, files.look(resolved));
    if (!info || info->type != codec::FileType::regular) {
        return std::string{};
    }
    if (info->size_bytes > kUserFileBytesMax) {
        return fail(over_limit(fmt::format("/{}: {} bytes; at most {} are read to look users up",
                                           path, info->size_bytes, kUserFileBytesMax)));
    }
    TRY(const auto content, files.open(resolved));
    std::string text(info->size_bytes, '\0');
    TRY(const std::size_t bytes, read_full(*content, std::as_writable_bytes(std::span{text})));
    text.resize(bytes);
    return text;
}

std::string_view next_part(std::string_view& rest, char separator) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
}

/// Calls `use(fields)` for each line that has the first four fields; stops when it returns true.
template <class Use>
void for_each_line(std::string_view text, Use use) {
    while (!text.empty()) {
        std::string_view line = next_part(text, '\n');
        std::array<std::string_view, 4> fields;
        for (std::string_view& field : fields) {
            field = next_part(line, ':');
        }
        if (!fields[0].empty() && fields[0].front() != '#' && use(fields)) {
            return;
        }
    }
}

struct PasswdLine {
    std::string name;
    std::uint32_t uid = 0, gid = 0;
};

std::optional<PasswdLine> find_passwd_line(std::string_view text, std::string_view user) {
    const auto wanted_uid = number(user);
    std::optional<PasswdLine> found;
    for_each_line(text, [&](const std::array<std::string_view, 4>& fields) {
        const auto uid = number(fields[2]);
        const auto gid = number(fields[3]);
        if (uid && gid && (fields[0] == user || (wanted_uid && uid == wanted_uid))) {
            found = PasswdLine{.name = std::string{fields[0]}, .uid = *uid, .gid = *gid};
        }
        return found.has_value();
    });
    return found;
}

std::optional<std::uint32_t> find_group(std::string_view text, std::string_view group) {
    std::optional<std::uint32_t> found = number(group);
    for_each_line(text, [&](const std::array<std::string_view, 4>& fields) {
        if (fields[0] == group) {
            found = number(fields[2]);
        }
        return fields[0] == group;
    });
    return found;
}

/// Groups whose line lists `user`.
std::vector<std::uint32_t> groups_of(std::string_view text, std::string_view user) {
    std::vector<std::uint32_t> groups;
    for_each_line(text, [&](const std::array<std::string_view, 4>& fields) {
        const auto gid = number(fields[2]);
        for (std::string_view members = fields[3]; gid && !members.empty();) {
            if (next_part(members, ',') == user) {
                groups.push_back(*gid);
                break;
            }
        }
        return false;
    });
    return groups;
}

}  // namespace

Result<User> find_user(const std::string& text, layers::FileSource& files) {
    const std::size_t colon = text.find(':');
    const std::string name = text.substr(0, colon);
    const std::string group = colon == std::string::npos ? "" : text.substr(colon + 1);
    const auto uid = name.empty() ? std::optional<std::uint32_t>{0} : number(name);
    const auto gid = number(group);
    if (uid && (gid || text.empty())) {  // nothing to look up
        return User{.uid = *uid, .gid = gid.value_or(0), .groups = {gid.value_or(0)}};
    }
    TRY(const std::string passwd, read_text(files, "etc/passwd"));
    const auto line = find_passwd_line(passwd, name.empty() ? "0" : name);
    if (!line && !uid) {
        return fail(invalid(
            fmt::format("unable to find user {}: no matching entries in passwd file", name)));
    }
    User user{.uid = line ? line->uid : *uid, .gid = line ? line->gid : 0, .groups = {}};
    if (!group.empty()) {
        TRY(const std::string groups, read_text(files, "etc/group"));
        const auto found = find_group(groups, group);
        if (!found) {
            return fail(invalid(
                fmt::format("unable to find group {}: no matching entries in group file", group)));
        }
        user.gid = *found;
    } else if (line) {
        TRY(const std::string groups, read_text(files, "etc/group"));
        user.groups = groups_of(groups, line->name);
    }
    std::erase(user.groups, user.gid);
    user.groups.insert(user.groups.begin(), user.gid);
    return user;
}

}  // namespace lazybuild::exec
