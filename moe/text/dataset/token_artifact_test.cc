#include "moe/text/dataset/token_artifact.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/random_access_file.h"
#include "moe/base/sha256.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/safetensors_header.h"
#include "moe/checkpoint/tensor.h"
#include "moe/text/dataset/dataset_options.pb.h"

namespace moe::text {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TokenArtifact Example() {
  TokenArtifact artifact;
  artifact.info = {"0.1.0", "d1", 100, true, 2048};
  artifact.dataset.chat_template = TokenizeOptions::LLAMA3;
  artifact.dataset.sources = {{"a.jsonl", 12, "d2"}, {"b\"\xff.jsonl", 3, ""}};
  artifact.dataset.report.num_lines = 5;
  artifact.dataset.report.num_bad_lines = 3;
  artifact.dataset.report.bad_lines = {"a.jsonl:1: x"};
  artifact.dataset.report.num_truncated_sequences = 1;
  artifact.dataset.sequences.Append({1, 2, 99}, {-100, 2, 99});
  artifact.dataset.sequences.Append({4}, {4});
  return artifact;
}

TEST(TokenArtifactTest, ReadsWhatItWrote) {
  const TempDirectory directory;
  const std::string path = directory.Path("tokens.safetensors");
  const TokenArtifact artifact = Example();
  MOE_ASSERT_OK(WriteTokenArtifact(artifact, path, false));
  MOE_ASSERT_OK_AND_ASSIGN(const TokenArtifact read, ReadTokenArtifact(path));
  EXPECT_EQ(read.info, artifact.info);
  EXPECT_EQ(read.dataset.sequences, artifact.dataset.sequences);
  EXPECT_EQ(read.dataset.chat_template, TokenizeOptions::LLAMA3);
  ASSERT_EQ(read.dataset.sources.size(), 2);
  EXPECT_EQ(read.dataset.sources[0], artifact.dataset.sources[0]);
  EXPECT_EQ(read.dataset.report.num_lines, 5);
  EXPECT_EQ(read.dataset.report.num_bad_lines, 3);
  EXPECT_TRUE(read.dataset.report.bad_lines.empty());
  EXPECT_EQ(read.dataset.report.num_sequences, 2);
  EXPECT_EQ(read.dataset.report.num_tokens, 4);
  EXPECT_EQ(read.dataset.report.num_predicted_tokens, 2);
  EXPECT_EQ(read.dataset.report.num_sequences_without_labels, 1);
}

TEST(TokenArtifactTest, HasTheStatedForm) {
  const TempDirectory directory;
  const std::string path = directory.Path("t.safetensors");
  MOE_ASSERT_OK(WriteTokenArtifact(Example(), path, false));
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::SafetensorsFile file,
                           checkpoint::SafetensorsFile::Open(path));
  ASSERT_EQ(file.tensors().size(), 3);
  EXPECT_EQ(file.tensors()[0].spec,
            (checkpoint::TensorSpec{"offsets", checkpoint::Dtype::kI64, {3}}));
  EXPECT_EQ(
      file.tensors()[1].spec,
      (checkpoint::TensorSpec{"input_ids", checkpoint::Dtype::kI32, {4}}));
  EXPECT_EQ(file.tensors()[2].spec,
            (checkpoint::TensorSpec{"labels", checkpoint::Dtype::kI32, {4}}));
  const checkpoint::SafetensorsMetadata& metadata = file.metadata();
  EXPECT_EQ(metadata.at("artifact"), "tokens");
  EXPECT_EQ(metadata.at("format_version"), "1");
  EXPECT_EQ(metadata.at("step"), "tokenize");
  EXPECT_EQ(metadata.at("chat_template"), "llama3");
  EXPECT_EQ(metadata.at("num_tokens"), "4");
  // From Python: hashlib.sha256(struct.pack("<4i", 1, 2, 99, 4) +
  // struct.pack("<4i", -100, 2, 99, 4) + struct.pack("<3q", 0, 3, 4))
  EXPECT_EQ(metadata.at("tokens_digest"),
            "3a0b874cc3b9f7bb78283c0a8cd35210fbab0e9255be9f34d278b36522e16be0");
}

TEST(TokenArtifactTest, BytesAreAFunctionOfTheTokens) {
  const TempDirectory directory;
  MOE_ASSERT_OK(WriteTokenArtifact(Example(), directory.Path("a"), false));
  MOE_ASSERT_OK(WriteTokenArtifact(Example(), directory.Path("b"), false));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string a,
                           base::ReadFile(directory.Path("a"), 1 << 20));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string b,
                           base::ReadFile(directory.Path("b"), 1 << 20));
  EXPECT_EQ(a, b);
  // Read and written again, it is the same.
  MOE_ASSERT_OK_AND_ASSIGN(const TokenArtifact read,
                           ReadTokenArtifact(directory.Path("a")));
  MOE_ASSERT_OK(WriteTokenArtifact(read, directory.Path("c"), false));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string c,
                           base::ReadFile(directory.Path("c"), 1 << 20));
  EXPECT_EQ(a, c);
}

TEST(TokenArtifactTest, ReplacesOnRequestOnly) {
  const TempDirectory directory;
  const std::string path = directory.Write("a", "something else");
  EXPECT_THAT(WriteTokenArtifact(Example(), path, false),
              StatusIs(absl::StatusCode::kAlreadyExists));
  MOE_EXPECT_OK(WriteTokenArtifact(Example(), path, true));
  EXPECT_THAT(directory.List(), ElementsAre("a"));
}

// Writes the example with a change, which its own digest does not know of.
class BadArtifactTest : public ::testing::Test {
 protected:
  using Change = std::function<void(checkpoint::HostTensors&,
                                    checkpoint::SafetensorsMetadata&)>;

  absl::Status Read(const Change& change) const {
    const std::string path = directory_.Path("t");
    MOE_EXPECT_OK(WriteTokenArtifact(Example(), path, true));
    const checkpoint::SafetensorsMetadata original =
        checkpoint::SafetensorsFile::Open(path).value().metadata();
    checkpoint::SafetensorsMetadata metadata = original;
    checkpoint::HostTensors tensors =
        checkpoint::ReadSafetensorsFile(path).value();
    change(tensors, metadata);
    MOE_EXPECT_OK(
        checkpoint::WriteSafetensorsFile(path, tensors, metadata, true));
    return ReadTokenArtifact(path).status();
  }

  // With this value in a field of the metadata.
  absl::Status ReadWith(const std::string& field,
                        const std::string& value) const {
    return Read([&](checkpoint::HostTensors&,
                    checkpoint::SafetensorsMetadata& metadata) {
      metadata[field] = value;
    });
  }

  // With this value at an index of a tensor.
  template <typename T>
  absl::Status ReadWith(const std::string& tensor, size_t index,
                        T value) const {
    return Read([&](checkpoint::HostTensors& tensors,
                    checkpoint::SafetensorsMetadata&) {
      tensors[tensor].bytes.replace(index * sizeof(T), sizeof(T),
                                    reinterpret_cast<const char*>(&value),
                                    sizeof(T));
    });
  }

  const TempDirectory directory_;
};

TEST_F(BadArtifactTest, EveryFieldIsChecked) {
  EXPECT_THAT(
      ReadWith("artifact", "gate_weights"),
      StatusIs(kInvalid,
               AllOf(StartsWith(directory_.Path("t") + ": as tokens: "),
                     HasSubstr("found the artifact \"gate_weights\""))));
  EXPECT_THAT(
      Read([](checkpoint::HostTensors&,
              checkpoint::SafetensorsMetadata& metadata) { metadata.clear(); }),
      StatusIs(kInvalid, HasSubstr("found a file that names no artifact")));
  EXPECT_THAT(
      ReadWith("format_version", "2"),
      StatusIs(absl::StatusCode::kUnimplemented,
               HasSubstr("expected the format version 1, found \"2\"")));
  EXPECT_THAT(ReadWith("chat_template", "fox"),
              StatusIs(kInvalid, HasSubstr("\"fox\"")));
  EXPECT_THAT(
      ReadWith("keep_system", "1"),
      StatusIs(kInvalid,
               HasSubstr("keep_system: expected true or false, found \"1\"")));
  EXPECT_THAT(
      ReadWith("vocab_size", "-1"),
      StatusIs(kInvalid, HasSubstr("vocab_size: expected a whole number of at "
                                   "least 0, found \"-1\"")));
  EXPECT_THAT(ReadWith("vocab_size", "2147483649"),
              StatusIs(kInvalid, HasSubstr("expected at most 2147483648")));
  EXPECT_THAT(
      ReadWith("num_tokens", "5"),
      StatusIs(kInvalid,
               HasSubstr("num_tokens: expected 4, as counted, found \"5\"")));
  EXPECT_THAT(ReadWith("num_predicted_tokens", "3"),
              StatusIs(kInvalid, HasSubstr("expected 2, as counted")));
  EXPECT_THAT(
      ReadWith("sources", "{}"),
      StatusIs(kInvalid,
               HasSubstr("sources: expected an array, found a JSON object")));
  EXPECT_THAT(
      ReadWith("sources", "[1]"),
      StatusIs(kInvalid,
               HasSubstr("expected an array of objects, found a JSON number")));
  EXPECT_THAT(
      ReadWith("sources", "[{}]"),
      StatusIs(kInvalid,
               HasSubstr("name: expected a string, found no such field")));
}

TEST_F(BadArtifactTest, MissingFieldsAreNamed) {
  const std::string path = directory_.Path("whole");
  MOE_ASSERT_OK(WriteTokenArtifact(Example(), path, false));
  const checkpoint::SafetensorsMetadata metadata =
      checkpoint::SafetensorsFile::Open(path).value().metadata();
  for (const auto& [name, value] : metadata) {
    // Without the first it is another file; nothing depends on the second.
    if (name == "artifact" || name == "step") continue;
    EXPECT_THAT(Read([&](checkpoint::HostTensors&,
                         checkpoint::SafetensorsMetadata& changed) {
                  changed.erase(name);
                }),
                StatusIs(kInvalid, HasSubstr("expected the field \"" + name +
                                             "\", found none")));
  }
}

TEST_F(BadArtifactTest, EveryTensorIsChecked) {
  const checkpoint::HostTensor other = {
      checkpoint::Dtype::kI32, {1}, std::string(4, '\0')};
  EXPECT_THAT(
      Read([&](checkpoint::HostTensors& tensors,
               checkpoint::SafetensorsMetadata&) { tensors["other"] = other; }),
      StatusIs(kInvalid, HasSubstr("expected the tensors input_ids, labels and "
                                   "offsets, found 4 tensors")));
  for (const std::string name : {"input_ids", "labels", "offsets"}) {
    EXPECT_THAT(
        Read([&](checkpoint::HostTensors& tensors,
                 checkpoint::SafetensorsMetadata&) { tensors.erase(name); }),
        StatusIs(kInvalid,
                 HasSubstr(name + ": expected the tensor, found none")));
    EXPECT_THAT(
        Read([&](checkpoint::HostTensors& tensors,
                 checkpoint::SafetensorsMetadata&) {
          tensors[name].dtype = checkpoint::Dtype::kF32;
          tensors[name].bytes.resize(
              static_cast<size_t>(4 * tensors[name].shape[0]));
        }),
        StatusIs(kInvalid, HasSubstr(" with one dimension, found F32")));
    EXPECT_THAT(Read([&](checkpoint::HostTensors& tensors,
                         checkpoint::SafetensorsMetadata&) {
                  tensors[name].shape.push_back(1);
                }),
                StatusIs(kInvalid, HasSubstr("with one dimension")));
  }
}

TEST_F(BadArtifactTest, EveryValueIsChecked) {
  EXPECT_THAT(
      ReadWith<int32_t>("input_ids", 2, 100),
      StatusIs(
          kInvalid,
          HasSubstr(
              "input_ids[2]: expected a token id from 0 to 99, found 100")));
  EXPECT_THAT(ReadWith<int32_t>("labels", 1, -1),
              StatusIs(kInvalid, HasSubstr("labels[1]: expected a token id "
                                           "from 0 to 99, or -100, found -1")));
  EXPECT_THAT(
      ReadWith<int64_t>("offsets", 1, 4),
      StatusIs(kInvalid, HasSubstr("offsets[2]: expected more than 4, as no "
                                   "sequence is empty, found 4")));
  // A value in range is an error too if it is not the one written.
  EXPECT_THAT(ReadWith<int32_t>("input_ids", 2, 98),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("the file is damaged, or was edited")));
}

TEST_F(BadArtifactTest, TruncatedFilesAreFound) {
  const std::string path = directory_.Path("t");
  MOE_ASSERT_OK(WriteTokenArtifact(Example(), path, false));
  MOE_ASSERT_OK_AND_ASSIGN(const std::string bytes,
                           base::ReadFile(path, 1 << 20));
  EXPECT_THAT(
      ReadTokenArtifact(
          directory_.Write("u", bytes.substr(0, bytes.size() - 1)))
          .status(),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr(directory_.Path("u"))));
}

}  // namespace
}  // namespace moe::text
