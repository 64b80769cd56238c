#include "moe/reconstruct/made_from.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/testing/tiny_checkpoint.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/reconstruct/testing/converted_case.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::WriteTinyModel;
using ::moe::reconstruct::testing::kDenseBf16;
using ::moe::reconstruct::testing::kDenseF32;
using ::moe::reconstruct::testing::WriteConverted;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kEmbedding[] = "model.embed_tokens.weight";
constexpr char kHead[] = "lm_head.weight";

class MadeFromTest : public ::testing::Test {
 protected:
  MadeFromTest() { WriteTinyModel({}, dense_); }

  absl::Status Check(const std::string& converted) const {
    return CheckMadeFrom(checkpoint::Checkpoint::Open(converted).value(),
                         checkpoint::Checkpoint::Open(dense_).value());
  }
  // With these tensors in the place of all, and fields of config.json.
  std::string Write(absl::string_view name,
                    const checkpoint::HostTensors& tensors,
                    const base::Json& fields = base::Json::object()) const {
    base::Json config =
        base::ParseJsonObject(
            base::ReadFile(dense_ + "/config.json", 1 << 20).value())
            .value();
    config.update(fields);
    directory_.Write(std::string(name) + "/config.json",
                     base::FormatJson(config));
    const std::string path = directory_.Path(name);
    EXPECT_THAT(checkpoint::WriteSafetensorsFile(path + "/model.safetensors",
                                                 tensors, {{"format", "pt"}},
                                                 /*overwrite=*/true),
                IsOk());
    return path;
  }
  auto SaysOther(const std::string& what) const {
    return StatusIs(
        absl::StatusCode::kInvalidArgument,
        AllOf(HasSubstr("expected a checkpoint made from " + dense_ +
                        ", found " + what + ";"),
              HasSubstr("give the dense checkpoint that it was converted")));
  }

  const TempDirectory directory_;
  const std::string dense_ = directory_.Path("dense");
};

TEST_F(MadeFromTest, ConversionsAreMadeFromTheirs) {
  for (const std::string dense : {kDenseF32, kDenseBf16}) {
    for (const bool residual : {false, true}) {
      const std::string converted =
          directory_.Path(residual ? dense : dense + "_vanilla");
      WriteConverted({.dense = dense, .residual = residual}, converted);
      EXPECT_THAT(CheckMadeFrom(checkpoint::Checkpoint::Open(converted).value(),
                                checkpoint::Checkpoint::Open(dense).value()),
                  IsOk());
    }
  }
}

TEST_F(MadeFromTest, OnlyFromADenseModel) {
  const std::string converted = directory_.Path("converted");
  WriteConverted({}, converted);
  EXPECT_THAT(
      CheckMadeFrom(checkpoint::Checkpoint::Open(converted).value(),
                    checkpoint::Checkpoint::Open(converted).value()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr(converted + ": expected a dense checkpoint, found a "
                                     "Mixture of Experts")));
}

TEST_F(MadeFromTest, NamesTheSizeThatDiffers) {
  // No two change the same; the first that differs is named.
  const std::pair<TinyModel, std::string> cases[] = {
      {{.hidden_size = 32}, "hidden_size 32 beside 16"},
      {{.num_layers = 2}, "num_hidden_layers 2 beside 3"},
      {{.num_heads = 2}, "num_attention_heads 2 beside 4"},
      {{.num_key_value_heads = 4}, "num_key_value_heads 4 beside 2"},
      {{.head_dim = 8}, "head_dim 8 beside 4"},
      {{.tied = true}, "another tie_word_embeddings"}};
  int i = 0;
  for (const auto& [model, what] : cases) {
    const std::string path = directory_.Path(std::to_string(i++));
    WriteTinyModel(model, path);
    EXPECT_THAT(Check(path), SaysOther(what));
    EXPECT_THAT(Check(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr(path + ": expected")));
  }
  // Neurons may be removed.
  const std::string narrow = directory_.Path("narrow");
  WriteTinyModel({.intermediate_size = 12}, narrow);
  EXPECT_THAT(Check(narrow), IsOk());
}

TEST_F(MadeFromTest, NamesTheFieldThatDiffers) {
  const checkpoint::HostTensors tensors = ReadTensors(dense_);
  const std::pair<base::Json, std::string> cases[] = {
      {{{"rms_norm_eps", 1e-5}}, "rms_norm_eps 1e-05 beside 1e-06"},
      {{{"rope_theta", 10000.0}}, "rope_theta 10000 beside 500000"},
      {{{"rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}}}},
       "another rope_scaling"}};
  for (const auto& [fields, what] : cases) {
    EXPECT_THAT(Check(Write("other", tensors, fields)), SaysOther(what));
  }
  EXPECT_THAT(Check(Write("other", tensors, {{"bos_token_id", 1}})), IsOk());
  checkpoint::HostTensors more = tensors;
  for (const char* const name : {kEmbedding, kHead}) {
    checkpoint::HostTensor& tensor = more.at(name);
    tensor.bytes += tensor.bytes.substr(0, tensor.bytes.size() / 8);
    ++tensor.shape[0];
  }
  EXPECT_THAT(Check(Write("other", more, {{"vocab_size", 9}})),
              SaysOther("vocab_size 9 beside 8"));
}

TEST_F(MadeFromTest, NamesTheTensorThatDiffers) {
  const checkpoint::HostTensors tensors = ReadTensors(dense_);
  int num_changed = 0;
  for (const auto& [name, tensor] : tensors) {
    checkpoint::HostTensors other = tensors;
    // The sign of the last element.
    other.at(name).bytes.back() =
        static_cast<char>(tensor.bytes.back() ^ '\x80');
    const absl::Status status = Check(Write("other", other));
    // Conversions and what follows them change the other matrices.
    const bool is_kept =
        tensor.shape.size() == 1 || name == kEmbedding || name == kHead;
    if (is_kept) {
      EXPECT_THAT(status,
                  SaysOther("other numbers in tensor \"" + name + "\""));
      ++num_changed;
    } else {
      EXPECT_THAT(status, IsOk()) << name;
    }
  }
  // Two norms of three layers, the last norm, embedding and head.
  EXPECT_EQ(num_changed, 9);
}

// Rows are read a thousand at a time.
TEST_F(MadeFromTest, FindsADifferenceInAnyRow) {
  constexpr int64_t kRows = 2500;
  checkpoint::HostTensors tensors = ReadTensors(dense_);
  for (const char* const name : {kEmbedding, kHead}) {
    checkpoint::HostTensor& tensor = tensors.at(name);
    tensor.shape[0] = kRows;
    tensor.bytes.assign(static_cast<size_t>(kRows * 16 * 2), '\0');
  }
  const base::Json fields = {{"vocab_size", kRows}};
  const checkpoint::Checkpoint dense =
      checkpoint::Checkpoint::Open(Write("many", tensors, fields)).value();
  for (const int64_t row :
       {int64_t{0}, int64_t{1023}, int64_t{1024}, kRows - 1}) {
    checkpoint::HostTensors other = tensors;
    other.at(kEmbedding).bytes[static_cast<size_t>(row * 32 + 31)] = '\x40';
    EXPECT_THAT(
        CheckMadeFrom(
            checkpoint::Checkpoint::Open(Write("one", other, fields)).value(),
            dense),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(kEmbedding)))
        << row;
  }
}

TEST_F(MadeFromTest, TheTypeMayDiffer) {
  checkpoint::HostTensors wide = ReadTensors(dense_);
  for (auto& [name, tensor] : wide) {
    const std::vector<float> values = model::ToFloats(tensor);
    tensor.dtype = checkpoint::Dtype::kF32;
    tensor.bytes.resize(values.size() * sizeof(float));
    checkpoint::FloatToWeights(checkpoint::Dtype::kF32, values,
                               absl::MakeSpan(tensor.bytes));
  }
  EXPECT_THAT(Check(Write("wide", wide)), IsOk());
  // A last bit that BF16 does not have.
  wide.at(kHead).bytes[0] = 1;
  EXPECT_THAT(Check(Write("wide", wide)),
              SaysOther("other numbers in tensor \"lm_head.weight\""));
}

TEST_F(MadeFromTest, NamesANaN) {
  checkpoint::HostTensors tensors = ReadTensors(dense_);
  std::string& bytes = tensors.at(kEmbedding).bytes;
  bytes[2] = '\xc0';
  bytes[3] = '\x7f';
  EXPECT_THAT(Check(Write("other", tensors)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(kEmbedding), HasSubstr("NaN"),
                             HasSubstr("element 1"))));
}

}  // namespace
}  // namespace moe::reconstruct
