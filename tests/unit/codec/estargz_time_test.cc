// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_time.h"

#include <gtest/gtest.h>

#include <limits>

namespace lazybuild::codec {
namespace {

TEST(EstargzTime, reads_times) {
    EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ(parse_rfc3339("2000-02-29T12:34:56Z"), 951827696);
    EXPECT_EQ(parse_rfc3339("1969-12-31T23:59:59Z"), -1);
    EXPECT_EQ(parse_rfc3339("2038-01-19T03:14:08Z"), 2147483648);
    EXPECT_EQ(parse_rfc3339("0001-01-01T00:00:00Z"), -62135596800);
}

TEST(EstargzTime, drops_fractions_downwards) {
    EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01.999999999Z"), 1);
    EXPECT_EQ(parse_rfc3339("1969-12-31T23:59:58.5Z"), -2);
}

TEST(EstargzTime, applies_offsets_from_utc) {
    EXPECT_EQ(parse_rfc3339("1970-01-01T02:30:00+02:30"), 0);
    EXPECT_EQ(parse_rfc3339("1969-12-31T19:00:00-05:00"), 0);
    EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.25+00:00"), 0);
}

TEST(EstargzTime, rejects_what_is_no_time) {
    for (const std::string_view text :
         {"", "2000", "2000-02-29", "2001-02-29T00:00:00Z", "2000-13-01T00:00:00Z",
          "2000-00-01T00:00:00Z", "2000-01-01T24:00:00Z", "2000-01-01T00:60:00Z",
          "2000-01-01T00:00:60Z", "2000-01-01T00:00:00", "2000-01-01T00:00:00Zx",
          "2000-01-01T00:00:00.Z", "2000-01-01 00:00:00Z", "2000-01-01T00:00:00+0200",
          "+200-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-001-01-01T00:00:00Z"}) {
        EXPECT_FALSE(parse_rfc3339(text)) << text;
    }
}

TEST(EstargzTime, writes_what_it_reads) {
    EXPECT_EQ(format_rfc3339(0), "1970-01-01T00:00:00Z");
    EXPECT_EQ(format_rfc3339(951827696), "2000-02-29T12:34:56Z");
    for (const std::int64_t time_s : {-1ll, -62135596801ll, 253402300799ll, 1767225599ll}) {
        EXPECT_EQ(parse_rfc3339(format_rfc3339(time_s)), time_s);
    }
}

TEST(EstargzTime, keeps_to_the_years_of_rfc_3339) {
    EXPECT_EQ(format_rfc3339(std::numeric_limits<std::int64_t>::max()), "9999-12-31T23:59:59Z");
    EXPECT_EQ(format_rfc3339(std::numeric_limits<std::int64_t>::min()), "0000-01-01T00:00:00Z");
}

}  // namespace
}  // namespace lazybuild::codec
