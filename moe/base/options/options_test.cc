#include "moe/base/options/options.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/options/options_test.pb.h"
#include "moe/base/testing/status_matchers.h"

namespace moe::base {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::moe::base::testing::StatusIs;
using ::moe::testing::SampleOptions;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const FieldDescriptor& Field(const std::string& name) {
  return *SampleOptions::descriptor()->FindFieldByName(name);
}

SampleOptions Named() {
  SampleOptions options;
  options.set_name("a");
  return options;
}

TEST(CheckOptionsTest, NamesFieldValueAndWhatIsAllowed) {
  MOE_EXPECT_OK(CheckOptions(Named()));
  const auto expect_refused = [](const SampleOptions& options,
                                 const std::string& message) {
    EXPECT_THAT(CheckOptions(options),
                StatusIs(absl::StatusCode::kInvalidArgument, message));
  };
  SampleOptions options = Named();
  options.set_count(11);
  expect_refused(options, "count: expected 1 to 10, found 11");
  options = Named();
  options.set_limit(-1);
  expect_refused(options, "limit: expected 0 or more, found -1");
  for (const double share :
       {0.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    options = Named();
    options.set_share(share);
    expect_refused(options, absl::StrCat("share: expected above 0, found ",
                                         FormatShortest(share)));
  }
  expect_refused(SampleOptions(), "name: expected a value (name), found none");
}

TEST(OptionFieldsTest, AreThoseThatSayWhatTheyAre) {
  std::vector<std::string> names;
  for (const FieldDescriptor* field : OptionFields(Named(), {"quick"})) {
    names.push_back(std::string(field->name()));
  }
  EXPECT_THAT(
      names, ElementsAre("count", "limit", "share", "polite", "color", "name"));
  EXPECT_EQ(OptionOf(Field("count")).unit(), "things");
}

TEST(SetOptionTest, ReadsWhatOptionTextWrites) {
  SampleOptions options;
  for (const auto& [name, text] :
       std::vector<std::pair<std::string, std::string>>{{"count", "3"},
                                                        {"limit", "0"},
                                                        {"share", "0.1"},
                                                        {"quick", "true"},
                                                        {"polite", "false"},
                                                        {"color", "dark_blue"},
                                                        {"name", "x y"}}) {
    MOE_EXPECT_OK(SetOption(Field(name), text, options));
    EXPECT_EQ(OptionText(options, Field(name)), text);
  }
  EXPECT_FALSE(options.polite());
  EXPECT_TRUE(options.has_polite());
  MOE_EXPECT_OK(SetOption(Field("polite"), "auto", options));
  EXPECT_FALSE(options.has_polite());
}

TEST(SetOptionTest, SaysWhatIsWanted) {
  struct Case {
    std::string name, text, message;
  };
  const Case cases[] = {
      {"count", "0", "expected a whole number, 1 to 10, found \"0\""},
      {"count", "2.5", "expected a whole number, 1 to 10, found \"2.5\""},
      {"limit", "x", "expected a whole number, 0 or more, found \"x\""},
      {"share", "nan", "expected a number, above 0, found \"nan\""},
      {"quick", "yes", "expected true or false, found \"yes\""},
      {"quick", "auto", "expected true or false, found \"auto\""},
      {"polite", "1", "expected one of auto, true, false, found \"1\""},
      {"color", "RED", "expected one of red, dark_blue, found \"RED\""},
      {"name", "", "expected a value, found \"\""},
  };
  for (const Case& c : cases) {
    SampleOptions options;
    EXPECT_THAT(SetOption(Field(c.name), c.text, options),
                StatusIs(absl::StatusCode::kInvalidArgument, c.message));
  }
}

TEST(OptionFlagsTest, WritesDefaultsWhereTheyAreRecorded) {
  SampleOptions options;
  EXPECT_THAT(OptionFlags(options), ElementsAre("--count=8", "--color=red"));
  options.set_limit(0);
  options.set_share(0.4);
  options.set_quick(true);
  options.set_polite(false);
  options.set_name("a");
  EXPECT_THAT(OptionFlags(options, {"color"}),
              ElementsAre("--count=8", "--limit=0", "--share=0.4",
                          "--quick=true", "--polite=false", "--name=a"));
}

TEST(FormatShortestTest, ReadsBackAsTheSameNumber) {
  for (const double value :
       {0.4, 1.0 / 3.0, 1e-300, -2.5, std::numeric_limits<double>::max()}) {
    EXPECT_EQ(std::strtod(FormatShortest(value).c_str(), nullptr), value);
  }
  EXPECT_EQ(FormatShortest(0.4), "0.4");
  EXPECT_EQ(FormatShortest(4.0), "4");
}

}  // namespace
}  // namespace moe::base
