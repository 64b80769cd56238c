#include "moe/text/dataset/tokenize_dataset.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/sha256.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/text/dataset/compressed_file.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/dataset_report.h"
#include "moe/text/dataset/testing/byte_tokenizer.h"
#include "moe/text/dataset/testing/compress.h"
#include "moe/text/dataset/testing/run_dataset.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::text::testing::ByteTokenizer;
using ::moe::text::testing::GzipOf;
using ::moe::text::testing::RunTokenizeDataset;
using ::moe::text::testing::ZstdOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class TokenizeDatasetTest : public ::testing::Test {
 protected:
  TokenizeRequest Request(const std::string& path) const {
    TokenizeRequest request;
    request.path = path;
    request.tokenizer = &tokenizer_;
    request.vocab_size = tokenizer_.vocab_size();
    return request;
  }

  const TempDirectory directory_;
  const ByteTokenizer tokenizer_ = ByteTokenizer::Llama3();
};

TEST_F(TokenizeDatasetTest, ReadsEveryFileAndForm) {
  directory_.Write("1.jsonl", "{\"text\": \"ab\"}\n");
  directory_.Write("2.jsonl.gz", GzipOf("{\"input_ids\": [1, 2]}\n"));
  directory_.Write("3.jsonl.zst", ZstdOf("\n{\"text\": \"c\"}"));
  directory_.Write("README.md", "");
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset dataset,
                           RunTokenizeDataset(Request(directory_.path())));
  EXPECT_THAT(dataset.sequences.input_ids(),
              ElementsAre(257, 'a', 'b', 1, 2, 257, 'c'));
  EXPECT_THAT(dataset.sequences.offsets(), ElementsAre(0, 3, 5, 7));
  EXPECT_EQ(dataset.chat_template, TokenizeOptions::LLAMA3);
  ASSERT_EQ(dataset.sources.size(), 3);
  EXPECT_EQ(dataset.sources[1].name, "2.jsonl.gz");
  EXPECT_EQ(dataset.sources[1].digest,
            base::HexSha256Of(GzipOf("{\"input_ids\": [1, 2]}\n")));
  EXPECT_EQ(dataset.report.num_lines, 3);
  EXPECT_EQ(dataset.report.num_sequences, 3);
  EXPECT_EQ(dataset.report.num_tokens, 7);
  EXPECT_EQ(dataset.report.num_predicted_tokens, 4);  // 2 + 1 + 1
  EXPECT_THAT(dataset.report.files_passed_over, ElementsAre("README.md"));
}

TEST_F(TokenizeDatasetTest, ThreadsDoNotMatter) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) {
    absl::StrAppend(&text, "{\"text\": \"", i, std::string(i % 50, 'x'),
                    "\"}\n");
  }
  const std::string path = directory_.Write("a.jsonl", text);
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset one,
                           RunTokenizeDataset(Request(path), 1));
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset five,
                           RunTokenizeDataset(Request(path), 5));
  EXPECT_EQ(one.sequences.num_sequences(), 10'000);
  EXPECT_EQ(one.sequences, five.sequences);
  EXPECT_EQ(one.report, five.report);
}

TEST_F(TokenizeDatasetTest, StopsWhenThereAreEnough) {
  const std::string path = directory_.Write(
      "a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\nnot JSON\n");
  TokenizeRequest request = Request(path);
  request.max_sequences = 2;
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset dataset,
                           RunTokenizeDataset(request));
  EXPECT_THAT(dataset.sequences.input_ids(), ElementsAre(257, 'a', 257, 'b'));
}

TEST_F(TokenizeDatasetTest, TheFirstBadLineIsTheError) {
  const std::string path = directory_.Write(
      "a.jsonl", "{\"text\": \"a\"}\n\n{\"text\": 1}\nnot JSON\n");
  EXPECT_THAT(RunTokenizeDataset(Request(path)).status(),
              StatusIs(kInvalid, Eq(absl::StrCat(path,
                                                 ":3: text: expected a "
                                                 "string, found 1"))));
}

TEST_F(TokenizeDatasetTest, BadLinesAreCountedAndListed) {
  directory_.Write("a.jsonl", "{\"text\": \"a\"}\n{\"text\": 1}\n");
  directory_.Write("b.jsonl", "not JSON\n{\"text\": \"b\"}\n");
  TokenizeRequest request = Request(directory_.path());
  request.options.set_skip_bad_lines(true);
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset dataset,
                           RunTokenizeDataset(request));
  EXPECT_THAT(dataset.sequences.input_ids(), ElementsAre(257, 'a', 257, 'b'));
  EXPECT_EQ(dataset.report.num_lines, 4);
  EXPECT_EQ(dataset.report.num_bad_lines, 2);
  EXPECT_THAT(
      dataset.report.bad_lines,
      ElementsAre(StartsWith("a.jsonl:2: text: expected a string, found 1"),
                  StartsWith("b.jsonl:1: malformed JSON")));
}

// 100 MB of one line, in 100 kB and a little on the device.
TEST_F(TokenizeDatasetTest, ALineOf100MegabytesIsRefused) {
  std::string text = "{\"text\": \"ok\"}\n{\"text\": \"";
  text.append(100'000'000, 'x');
  text += "\"}\n{\"text\": \"fine\"}\n";
  const std::string path = directory_.Write("a.jsonl.gz", GzipOf(text));
  text = std::string();
  TokenizeRequest request = Request(path);
  EXPECT_THAT(
      RunTokenizeDataset(request).status(),
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr(absl::StrCat(path, ":2: the line: expected at most ",
                                      kMaxLineBytes, " bytes, found more"))));
  request.options.set_skip_bad_lines(true);
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset dataset,
                           RunTokenizeDataset(request));
  EXPECT_EQ(dataset.report.num_bad_lines, 1);
  EXPECT_THAT(dataset.sequences.input_ids(),
              ElementsAre(257, 'o', 'k', 257, 'f', 'i', 'n', 'e'));
}

TEST_F(TokenizeDatasetTest, MessagesAreShort) {
  const std::string path = directory_.Write(
      "a.jsonl", "{\"text\": \"" + std::string(1'000'000, 'x') + "\t\"}");
  const absl::Status status = RunTokenizeDataset(Request(path)).status();
  EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr(":1: malformed JSON")));
  EXPECT_LT(status.message().size(), 600 + path.size());
}

TEST_F(TokenizeDatasetTest, SaysWhatARowIsThatIsNoJsonInUtf8) {
  const std::pair<const char*, const char*> kCases[] = {
      {"{\"text\": \"caf\xe9\"}",
       ":2: the row is not UTF-8; if the file is in "
       "Windows-1252 or Latin-1, iconv"},
      {R"({"text": "\" NaN", "score": NaN})",
       ":2: expected a number or null at byte 29, found NaN, which is not "
       "JSON"},
      {R"({"score": -Infinity, "text": "a"})",
       ":2: expected a number or null at byte 12, found Infinity"},
  };
  for (const auto& [row, message] : kCases) {
    const std::string path = directory_.Write(
        "a.jsonl", absl::StrCat("{\"text\": \"a\"}\n", row, "\n"));
    EXPECT_THAT(RunTokenizeDataset(Request(path)).status(),
                StatusIs(kInvalid, HasSubstr(message)))
        << row;
  }
}

TEST_F(TokenizeDatasetTest, EmptyRowsArePassedOverAndCounted) {
  const std::string path = directory_.Write(
      "a.jsonl", "{\"text\": \"\"}\n{\"text\": \"a\"}\n{\"input_ids\": []}\n");
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset dataset,
                           RunTokenizeDataset(Request(path)));
  EXPECT_THAT(dataset.sequences.input_ids(), ElementsAre(257, 'a'));
  EXPECT_EQ(dataset.report.num_lines, 3);
  EXPECT_EQ(dataset.report.num_empty_rows, 2);
  EXPECT_THAT(RunTokenizeDataset(
                  Request(directory_.Write("b.jsonl", "{\"text\": \"\"}\n")))
                  .status(),
              StatusIs(kInvalid, HasSubstr("all of the dataset's 1 rows are "
                                           "empty")));
}

TEST_F(TokenizeDatasetTest, ReadsEveryFormat) {
  directory_.Write("1.csv", "text\na\nb\n");
  directory_.Write("2.csv", "text\nc\n");
  directory_.Write("3.txt", "d");
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset dataset,
                           RunTokenizeDataset(Request(directory_.path())));
  EXPECT_THAT(dataset.sequences.input_ids(),
              ElementsAre(257, 'a', 257, 'b', 257, 'c', 257, 'd'));
}

TEST_F(TokenizeDatasetTest, DamagedFilesAreNeverSkipped) {
  std::string gzip = GzipOf("{\"text\": \"a\"}\n");
  gzip.resize(gzip.size() - 1);
  TokenizeRequest request = Request(directory_.Write("a.jsonl.gz", gzip));
  request.options.set_skip_bad_lines(true);
  EXPECT_THAT(RunTokenizeDataset(request).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("truncated")));
}

TEST_F(TokenizeDatasetTest, NothingToReadIsAnError) {
  const std::string empty = directory_.Write("a.jsonl", "\n\n");
  EXPECT_THAT(
      RunTokenizeDataset(Request(empty)).status(),
      StatusIs(kInvalid, HasSubstr("expected at least one line, found none")));
  TokenizeRequest request = Request(directory_.Write("b.jsonl", "x\ny\n"));
  request.options.set_skip_bad_lines(true);
  EXPECT_THAT(RunTokenizeDataset(request).status(),
              StatusIs(kInvalid, HasSubstr("all of the dataset's 2 lines are "
                                           "bad; the first: ")));
}

TEST_F(TokenizeDatasetTest, CutsToTheLength) {
  TokenizeRequest request =
      Request(directory_.Write("a.jsonl", "{\"text\": \"abcd\"}"));
  request.options.set_model_max_length(3);
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset dataset,
                           RunTokenizeDataset(request));
  EXPECT_THAT(dataset.sequences.input_ids(), ElementsAre(257, 'a', 'b'));
  EXPECT_EQ(dataset.report.num_truncated_sequences, 1);
  EXPECT_EQ(dataset.report.num_truncated_tokens, 2);
}

TEST_F(TokenizeDatasetTest, IdsAreHeldToTheVocabulary) {
  const std::string path =
      directory_.Write("a.jsonl", "{\"input_ids\": [260, 261]}");
  EXPECT_THAT(RunTokenizeDataset(Request(path)).status(),
              StatusIs(kInvalid, HasSubstr(":1: input_ids[1]: expected a token "
                                           "id from 0 to 260, found 261")));
}

TEST_F(TokenizeDatasetTest, InvalidOptionsAreRefused) {
  TokenizeRequest request =
      Request(directory_.Write("a.jsonl", "{\"text\": \"a\"}"));
  request.options.set_model_max_length(0);
  EXPECT_THAT(
      RunTokenizeDataset(request).status(),
      StatusIs(kInvalid,
               HasSubstr("model_max_length: expected 1 or more, found 0")));
}

TEST_F(TokenizeDatasetTest, ALineWithATokenBeyondTheEmbeddingIsBad) {
  TokenizeRequest request = Request(directory_.Write(
      "a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"<|eot_id|>\"}\n"));
  request.embedding_rows = 260;  // <|eot_id|> is 260.
  EXPECT_THAT(
      RunTokenizeDataset(request).status(),
      StatusIs(
          kInvalid,
          HasSubstr(
              "a.jsonl:2: the token \"<|eot_id|>\": expected an id below 260, "
              "the rows of the model's embedding (vocab_size), found 260")));
  request.options.set_skip_bad_lines(true);
  MOE_ASSERT_OK_AND_ASSIGN(const TokenizedDataset dataset,
                           RunTokenizeDataset(request));
  EXPECT_EQ(dataset.report.num_bad_lines, 1);
}

}  // namespace
}  // namespace moe::text
