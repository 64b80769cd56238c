#include "moe/text/dataset/load_dataset.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/text/dataset/chat_template_source.h"
#include "moe/text/dataset/dataset_options.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/testing/byte_tokenizer.h"
#include "moe/text/dataset/testing/compress.h"
#include "moe/text/dataset/testing/run_dataset.h"
#include "moe/text/dataset/token_artifact.h"
#include "moe/text/dataset/tokenize_dataset.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::text::testing::ByteTokenizer;
using ::moe::text::testing::GzipOf;
using ::moe::text::testing::RunLoadDataset;
using ::moe::text::testing::RunTokenizeDataset;
using ::moe::text::testing::ZstdOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr char kStories[] = "testdata/stories";

class LoadDatasetTest : public ::testing::Test {
 protected:
  DatasetRequest Request(const std::string& path) const {
    DatasetRequest request;
    request.path = path;
    request.tokenizer = &tokenizer_;
    request.tokenize.set_model_max_length(600);
    request.batch.set_seed(7);
    request.batch.set_batch_size(16);
    return request;
  }

  // As the command `tokenize` does it.
  std::string WriteArtifact(
      const std::string& path, const TokenizeOptions& options,
      const ChatTemplateSource& chat_template = {}) const {
    TokenizeRequest request;
    request.path = path;
    request.chat_template = chat_template;
    request.tokenizer = &tokenizer_;
    request.vocab_size = tokenizer_.vocab_size();
    request.options = options;
    TokenArtifact artifact;
    artifact.dataset = RunTokenizeDataset(request).value();
    artifact.info = {"0", tokenizer_.digest(), tokenizer_.vocab_size(),
                     options.keep_system(), ModelMaxLength(options)};
    std::string file = directory_.Path("tokens.safetensors");
    EXPECT_THAT(WriteTokenArtifact(artifact, file, true), IsOk());
    return file;
  }

  const TempDirectory directory_;
  const ByteTokenizer tokenizer_ = ByteTokenizer::Llama3();
};

TEST_F(LoadDatasetTest, ReadsTheStories) {
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset dataset,
                           RunLoadDataset(Request(kStories)));
  EXPECT_EQ(dataset.batches.num_sequences(), 320);  // 120 + 80 + 120
  EXPECT_EQ(dataset.batches.num_batches(), 20);     // 320 / 16
  EXPECT_EQ(dataset.report.num_lines, 320);
  EXPECT_EQ(dataset.report.num_bad_lines, 0);
  EXPECT_EQ(dataset.report.num_tokens, dataset.batches.num_tokens());
}

TEST_F(LoadDatasetTest, ArtifactAndLinesGiveTheSameBatches) {
  DatasetRequest request = Request(kStories);
  request.batch.set_max_steps(5);
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset lines,
                           RunLoadDataset(request, 1));
  request.path = WriteArtifact(kStories, request.tokenize);
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset artifact,
                           RunLoadDataset(request, 3));
  EXPECT_EQ(lines.batches.num_batches(), 5);
  EXPECT_EQ(lines.batches.Digest(), artifact.batches.Digest());
  EXPECT_EQ(lines.batches.sequences(), artifact.batches.sequences());
  EXPECT_EQ(lines.report.num_tokens, artifact.report.num_tokens);
  // Reading does not need the tokenizer.
  request.tokenizer = nullptr;
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset alone, RunLoadDataset(request));
  EXPECT_EQ(alone.batches.Digest(), lines.batches.Digest());
}

TEST_F(LoadDatasetTest, CompressedFilesGiveTheSameBatches) {
  MOE_ASSERT_OK_AND_ASSIGN(
      const LoadedDataset plain,
      RunLoadDataset(Request(absl::StrCat(kStories, "/text.jsonl"))));
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::string text,
      base::ReadFile(absl::StrCat(kStories, "/text.jsonl"), 1 << 20));
  for (const std::string& bytes : {GzipOf(text), ZstdOf(text)}) {
    MOE_ASSERT_OK_AND_ASSIGN(
        const LoadedDataset compressed,
        RunLoadDataset(Request(directory_.Write("a", bytes))));
    EXPECT_EQ(compressed.batches.Digest(), plain.batches.Digest());
  }
}

TEST_F(LoadDatasetTest, TheOrderFollowsTheSeed) {
  DatasetRequest request = Request(kStories);
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset seven, RunLoadDataset(request));
  request.batch.set_seed(8);
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset eight, RunLoadDataset(request));
  EXPECT_NE(seven.batches.Digest(), eight.batches.Digest());
  EXPECT_EQ(seven.batches.num_tokens(), eight.batches.num_tokens());
}

TEST_F(LoadDatasetTest, FileOrderReadsNoFurtherThanItMust) {
  DatasetRequest request = Request(directory_.Write(
      "a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\nnot JSON\n"));
  request.batch.set_no_shuffle(true);
  request.batch.set_max_steps(1);
  request.batch.set_batch_size(2);
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset dataset,
                           RunLoadDataset(request));
  EXPECT_THAT(dataset.batches.sequences().input_ids(),
              ElementsAre(257, 'a', 257, 'b'));
  request.batch.set_max_steps(2);
  EXPECT_THAT(RunLoadDataset(request).status(),
              StatusIs(kInvalid, HasSubstr(":3: ")));
}

TEST_F(LoadDatasetTest, ArtifactsAreCutFurther) {
  DatasetRequest request = Request(kStories);
  request.path = WriteArtifact(kStories, request.tokenize);
  request.tokenize.set_model_max_length(50);
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset artifact,
                           RunLoadDataset(request));
  request.path = kStories;
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset lines, RunLoadDataset(request));
  EXPECT_EQ(artifact.batches.Digest(), lines.batches.Digest());
  EXPECT_GT(lines.report.num_truncated_sequences, 100);
  EXPECT_EQ(artifact.report, lines.report);
}

TEST_F(LoadDatasetTest, WhatWasCutOffIsNotThere) {
  TokenizeOptions options;
  options.set_model_max_length(50);
  DatasetRequest request = Request(WriteArtifact(kStories, options));
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(kInvalid,
               HasSubstr("expected sequences of up to 600 tokens "
                         "(model_max_length), found sequences cut to 50")));
  request.tokenize.clear_model_max_length();
  EXPECT_THAT(RunLoadDataset(request), IsOk());
  // An artifact without truncated sequences fits any length.
  options.set_model_max_length(50'000);
  request = Request(WriteArtifact(kStories, options));
  request.tokenize.set_model_max_length(60'000);
  EXPECT_THAT(RunLoadDataset(request), IsOk());
}

TEST_F(LoadDatasetTest, ArtifactsOfOtherOptionsAreRefused) {
  DatasetRequest request = Request(WriteArtifact(kStories, {}));
  request.tokenize.set_chat_template(TokenizeOptions::NONE);
  EXPECT_THAT(RunLoadDataset(request).status(),
              StatusIs(kInvalid, HasSubstr("expected tokens made with the chat "
                                           "template none, found llama3")));
  request.tokenize.set_chat_template(TokenizeOptions::LLAMA3);
  EXPECT_THAT(RunLoadDataset(request), IsOk());
  request.tokenize.set_keep_system(true);
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(
          kInvalid,
          HasSubstr(
              "expected tokens with system turns (keep_system), found none")));
  const ByteTokenizer chatml = ByteTokenizer::Chatml();
  request = Request(request.path);
  request.tokenizer = &chatml;
  EXPECT_THAT(RunLoadDataset(request).status(),
              StatusIs(kInvalid,
                       HasSubstr(absl::StrCat(
                           "expected tokens of the model's tokenizer, digest ",
                           chatml.digest()))));
}

TEST_F(LoadDatasetTest, AnArtifactIsForTheTemplateThatMadeIt) {
  ChatTemplateSource own;
  own.text = "{% for m in messages %}{{ m.content }}<|eot_id|>{% endfor %}";
  TokenizeOptions options;
  options.set_model_max_length(600);
  DatasetRequest request = Request(WriteArtifact(kStories, options, own));
  request.chat_template = own;
  EXPECT_THAT(RunLoadDataset(request), IsOk());
  *request.chat_template.text += "x";
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(kInvalid,
               HasSubstr("expected tokens made with the model's chat template, "
                         "found those of another checkpoint's template")));
}

TEST_F(LoadDatasetTest, TheVocabularyFitsTheEmbedding) {
  DatasetRequest request = Request(kStories);
  request.embedding_rows = 261;  // The tokenizer's ids are 0 to 260.
  EXPECT_THAT(RunLoadDataset(request), IsOk());
  request.embedding_rows = 256;  // Its own vocabulary's are 0 to 256.
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(kInvalid,
               HasSubstr("expected ids below 256, the rows of the model's "
                         "embedding (vocab_size), found ids up to 256")));
  // An added token is an error only if a text has it: the conversations end
  // turns with <|eot_id|>, 260.
  request.embedding_rows = 260;
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(
          kInvalid,
          HasSubstr("the token \"<|eot_id|>\": expected an id below 260, the "
                    "rows of the model's embedding (vocab_size), found 260")));
  const std::string texts = absl::StrCat(kStories, "/text.jsonl");
  request.path = texts;
  EXPECT_THAT(RunLoadDataset(request), IsOk());
  request.path = WriteArtifact(texts, request.tokenize);
  EXPECT_THAT(RunLoadDataset(request), IsOk());
  request.path = WriteArtifact(kStories, request.tokenize);
  EXPECT_THAT(RunLoadDataset(request).status(),
              StatusIs(kInvalid, HasSubstr("(vocab_size), found 260")));
  request.tokenizer = nullptr;
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(kInvalid, HasSubstr("expected ids below 260, the rows of")));
}

TEST_F(LoadDatasetTest, TokenIdsNeedNoTokenizer) {
  DatasetRequest request =
      Request(directory_.Write("a.jsonl", "{\"input_ids\": [1, 99]}"));
  request.tokenizer = nullptr;
  MOE_ASSERT_OK_AND_ASSIGN(const LoadedDataset dataset,
                           RunLoadDataset(request));
  EXPECT_THAT(dataset.batches.input_ids(0), ElementsAre(1, 99));
  request.embedding_rows = 99;
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(
          kInvalid,
          HasSubstr(
              "input_ids[1]: expected a token id from 0 to 98, found 99")));
  request.path = directory_.Write("b.jsonl", "{\"text\": \"a\"}");
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(kInvalid, HasSubstr(":1: expected \"input_ids\", as there is no "
                                   "tokenizer, found text")));
}

TEST_F(LoadDatasetTest, InvalidRequestsAreRefused) {
  DatasetRequest request = Request(directory_.Path("none"));
  EXPECT_THAT(RunLoadDataset(request).status(),
              StatusIs(absl::StatusCode::kNotFound));
  request.batch.set_max_steps(0);
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(kInvalid, HasSubstr("max_steps: expected 1 or more, found 0")));
  request.tokenize.set_model_max_length(-1);
  EXPECT_THAT(
      RunLoadDataset(request).status(),
      StatusIs(kInvalid,
               HasSubstr("model_max_length: expected 1 or more, found -1")));
}

}  // namespace
}  // namespace moe::text
