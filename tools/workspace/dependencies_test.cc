#include <benchmark/benchmark.h>
#include <hwy/highway.h>
#include <hwy/targets.h>
#include <openssl/crypto.h>
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
  CLI::App app("app");
  int value = 0;
  app.add_option("--value", value);
  app.parse("--value=3");
  EXPECT_EQ(value, 3);
}

}  // namespace
