#include "moe/text/tokenizer/post_processor.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/text/tokenizer/json_node.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PostProcessorTest, PutsSpecialTokensAround) {
  const PostProcessor processor(
      {std::vector<int32_t>{1, 2}, TextPlace{}, std::vector<int32_t>{3}});
  EXPECT_THAT(processor.Run({7, 8}, true), ElementsAre(1, 2, 7, 8, 3));
  EXPECT_THAT(processor.Run({7, 8}, false), ElementsAre(7, 8));
  EXPECT_THAT(processor.Run({}, true), ElementsAre(1, 2, 3));
}

TEST(PostProcessorTest, KnowsItsEnds) {
  const PostProcessor processor({std::vector<int32_t>{1, 2}, TextPlace{},
                                 std::vector<int32_t>{3}, TextPlace{},
                                 std::vector<int32_t>{4}});
  EXPECT_THAT(processor.IdsBefore(), ElementsAre(1, 2));
  EXPECT_THAT(processor.IdsBehind(), ElementsAre(4));
  EXPECT_THAT(PostProcessor::Identity().IdsBefore(), ElementsAre());
  EXPECT_THAT(PostProcessor::Identity().IdsBehind(), ElementsAre());
  const PostProcessor no_text({std::vector<int32_t>{1}});
  EXPECT_THAT(no_text.IdsBefore(), ElementsAre(1));
  EXPECT_THAT(no_text.IdsBehind(), ElementsAre());
}

TEST(PostProcessorTest, IdentityAndRepeats) {
  EXPECT_THAT(PostProcessor::Identity().Run({7}, true), ElementsAre(7));
  EXPECT_THAT(PostProcessor({TextPlace{}, TextPlace{}}).Run({7}, false),
              ElementsAre(7, 7));
  EXPECT_THAT(PostProcessor({}).Run({7}, true), ElementsAre());
}

constexpr char kTemplate[] = R"({"type":"TemplateProcessing",
    "single":[{"SpecialToken":{"id":"<s>","type_id":0}},
              {"Sequence":{"id":"A","type_id":0}}],
    "pair":[{"Sequence":{"id":"A","type_id":0}},
            {"SpecialToken":{"id":"no such","type_id":1}},
            {"Sequence":{"id":"B","type_id":1}}],
    "special_tokens":{"<s>":{"id":"any","ids":[3,4],"tokens":["one"]},
                      "<t>":{"id":"<t>","ids":[4294967295],"tokens":[]}}})";

absl::StatusOr<PostProcessor> Parse(const base::SortedJson& document) {
  return ParsePostProcessor(JsonNode(document), 5);
}

// The template with another value at a place, or without what is there.
absl::StatusOr<PostProcessor> With(const char* place, absl::string_view value) {
  base::SortedJson document = base::ParseSortedJson(kTemplate).value();
  const base::SortedJson::json_pointer pointer(place);
  if (value.empty()) {
    document.at(pointer.parent_pointer()).erase(pointer.back());
  } else {
    document[pointer] = base::ParseSortedJson(value).value();
  }
  return Parse(document);
}

auto IsRefusal(absl::string_view message) {
  return StatusIs(absl::StatusCode::kInvalidArgument,
                  HasSubstr(std::string(message)));
}

// What the package takes: pairs may name unknown tokens, ids that are not used
// may be any, and there may be other numbers of ids and tokens.
TEST(PostProcessorJsonTest, TakesATemplate) {
  const base::SortedJson document = base::ParseSortedJson(kTemplate).value();
  MOE_ASSERT_OK_AND_ASSIGN(const PostProcessor processor, Parse(document));
  EXPECT_THAT(processor.Run({1}, true), ElementsAre(3, 4, 1));
  MOE_EXPECT_OK(With("/pair", "[]"));
  MOE_EXPECT_OK(With("/single/0/SpecialToken/more", "1"));
  MOE_EXPECT_OK(With("/special_tokens/<s>/more", "1"));
}

TEST(PostProcessorJsonTest, TheOneTemplateOfASequence) {
  base::SortedJson sequence =
      base::ParseSortedJson(R"({"type":"Sequence","processors":[
      {"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true}]})")
          .value();
  sequence["processors"].push_back(base::ParseSortedJson(kTemplate).value());
  MOE_ASSERT_OK_AND_ASSIGN(const PostProcessor processor, Parse(sequence));
  EXPECT_THAT(processor.Run({1}, true), ElementsAre(3, 4, 1));
  sequence["processors"][0].erase("trim_offsets");
  EXPECT_THAT(Parse(sequence), IsRefusal("/processors/0: expected the field"));
}

TEST(PostProcessorJsonTest, RefusesWhatIsMissing) {
  for (const char* place :
       {"/single", "/pair", "/special_tokens", "/special_tokens/<s>/id",
        "/special_tokens/<s>/ids", "/special_tokens/<t>/tokens",
        "/single/0/SpecialToken/type_id", "/single/0/SpecialToken/id",
        "/single/1/Sequence/type_id", "/pair/0/Sequence/id",
        "/pair/1/SpecialToken/type_id", "/pair/1/SpecialToken/id"}) {
    EXPECT_THAT(With(place, ""), IsRefusal("expected the field")) << place;
  }
}

TEST(PostProcessorJsonTest, RefusesWhatIsOfAnotherType) {
  for (const char* place :
       {"/single", "/pair", "/special_tokens", "/special_tokens/<t>",
        "/special_tokens/<s>/id", "/special_tokens/<t>/ids",
        "/special_tokens/<t>/ids/0", "/special_tokens/<s>/tokens",
        "/special_tokens/<s>/tokens/0", "/single/0", "/single/0/SpecialToken",
        "/single/0/SpecialToken/type_id", "/pair/0/Sequence/type_id",
        "/pair/0/Sequence/id", "/pair/1/SpecialToken/id", "/pair/2"}) {
    for (const char* value : {"-1", "0.5", "true"}) {
      EXPECT_THAT(With(place, value), IsRefusal(", found ")) << place;
    }
  }
  EXPECT_THAT(With("/special_tokens/<t>/ids/0", "4294967296"),
              IsRefusal("expected a whole number from 0 to 4294967295"));
  EXPECT_THAT(With("/single/0/SpecialToken/type_id", "4294967296"),
              IsRefusal("expected a whole number from 0 to 4294967295"));
}

TEST(PostProcessorJsonTest, RefusesWhatIsUnknown) {
  EXPECT_THAT(
      With("/single/0/SpecialToken/id", R"("<u>")"),
      IsRefusal("/single/0/SpecialToken/id: expected a name of special_tokens, "
                "found \"<u>\""));
  EXPECT_THAT(With("/pair/0/Sequence/id", R"("C")"),
              IsRefusal("/pair/0/Sequence/id"));
  EXPECT_THAT(With("/single/1/Sequence/id", R"("B")"),
              IsRefusal("/single/1/Sequence/id"));
  EXPECT_THAT(With("/single/0/more", "1"),
              IsRefusal("/single/0: expected an object with one field of "
                        "Sequence, SpecialToken, found an object of 2"));
  EXPECT_THAT(With("/pair/0", R"({"Other":{"id":"A","type_id":0}})"),
              IsRefusal("/pair/0"));
}

}  // namespace
}  // namespace moe::text
