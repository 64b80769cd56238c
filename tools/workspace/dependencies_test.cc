#include <benchmark/benchmark.h>
#include <hwy/highway.h>
#include <hwy/targets.h>
#include <openssl/crypto.h>
#include <utf8proc.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <zlib.h>
#include <zstd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using ::testing::HasSubstr;
using ::testing::Ne;

TEST(DependenciesTest, EachLinksAndWorks) {
  EXPECT_EQ(absl::StrCat("a", 1), "a1");
  EXPECT_EQ(nlohmann::ordered_json::parse("[1]")[0], 1);
  EXPECT_THAT(std::string(OpenSSL_version(OPENSSL_VERSION)),
              HasSubstr("OpenSSL"));
  EXPECT_THAT(hwy::SupportedTargets(), Ne(0));
  EXPECT_EQ(zlibVersion()[0], ZLIB_VERSION[0]);
  EXPECT_EQ(ZSTD_versionNumber(), ZSTD_VERSION_NUMBER);
  bool ran = false;
  benchmark::RegisterBenchmark("one", [&](benchmark::State& state) {
    for (auto _ : state) ran = true;
  });
  EXPECT_FALSE(ran);
  EXPECT_EQ(utf8proc_category('a'), UTF8PROC_CATEGORY_LL);
  uint32_t has_jit = 0;
  EXPECT_GE(pcre2_config(PCRE2_CONFIG_JIT, &has_jit), 0);
  CLI::App app("app");
  int value = 0;
  app.add_option("--value", value);
  app.parse("--value=3");
  EXPECT_EQ(value, 3);
}

}  // namespace
