#include "moe/convert/narrow_mlp.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/conversion_plan.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::convert::testing::Numbers;
using ::moe::convert::testing::ReadTensors;
using ::moe::convert::testing::Select;
using ::moe::convert::testing::TinyModel;
using ::moe::convert::testing::WriteTinyModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Of 24 neurons in 3 layers.
KeptNeurons SomeNeurons() {
  return {{0, 1, 7, 22, 23}, {4, 5, 6, 7, 8}, {2, 3, 5, 11, 13}};
}

class NarrowMlpTest : public ::testing::Test {
 protected:
  absl::StatusOr<WrittenCheckpoint> Narrow(const KeptNeurons& kept,
                                           const ConversionOutput& output,
                                           int num_threads = 1) const {
    base::ThreadPool pool(num_threads);
    base::Progress progress(base::Progress::Style::kSilent, {});
    return WriteNarrowCheckpoint(checkpoint::Checkpoint::Open(from_).value(),
                                 kept, output, {pool, progress});
  }

  // The definition: `all` with the neurons of `kept`.
  static checkpoint::HostTensors Kept(checkpoint::HostTensors all,
                                      const KeptNeurons& kept) {
    for (size_t l = 0; l < kept.size(); ++l) {
      for (const auto& [matrix, axis] :
           {std::pair<const char*, size_t>("gate_proj.weight", 0),
            {"gate_proj.bias", 0},
            {"up_proj.weight", 0},
            {"up_proj.bias", 0},
            {"down_proj.weight", 1}}) {
        const auto found =
            all.find(absl::StrCat("model.layers.", l, ".mlp.", matrix));
        if (found == all.end()) continue;
        found->second = Select(found->second, axis, kept[l]);
      }
    }
    return all;
  }

  static base::Json ConfigOf(const std::string& directory) {
    return base::ParseJsonObject(
               base::ReadFile(directory + "/config.json", 1 << 20).value())
        .value();
  }

  const TempDirectory directory_;
  const std::string from_ = directory_.Path("from");
  const std::string to_ = directory_.Path("to");
};

TEST_F(NarrowMlpTest, KeepsNeuronsOfAnyModel) {
  const TinyModel models[] = {
      {},
      {.mlp_bias = true, .dtype = checkpoint::Dtype::kF32, .num_shards = 3},
      {.attention_bias = true, .tied = true, .dtype = checkpoint::Dtype::kF16},
  };
  int i = 0;
  for (const TinyModel& model : models) {
    const std::string from = directory_.Path(absl::StrCat("from", i));
    const std::string to = directory_.Path(absl::StrCat("to", i++));
    WriteTinyModel(model, from);
    base::ThreadPool pool(2);
    base::Progress progress(base::Progress::Style::kSilent, {});
    MOE_ASSERT_OK_AND_ASSIGN(
        const WrittenCheckpoint written,
        WriteNarrowCheckpoint(checkpoint::Checkpoint::Open(from).value(),
                              SomeNeurons(), {to}, {pool, progress}));
    EXPECT_EQ(written.num_shards, model.num_shards);
    EXPECT_EQ(ReadTensors(to), Kept(ReadTensors(from), SomeNeurons()));
    // Opening holds it to its configuration. A field more is another one.
    MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint made,
                             checkpoint::Checkpoint::Open(to));
    EXPECT_NE(made.dense_config(), nullptr);
    base::Json want = ConfigOf(from);
    want["intermediate_size"] = 5;
    EXPECT_EQ(base::FormatJson(ConfigOf(to)), base::FormatJson(want));
    EXPECT_EQ(base::ReadFile(to + "/tokenizer.json", 1 << 20).value(),
              base::ReadFile(from + "/tokenizer.json", 1 << 20).value());
  }
}

TEST_F(NarrowMlpTest, AllNeuronsAreTheModelItself) {
  WriteTinyModel({.mlp_bias = true}, from_);
  const KeptNeurons all(3, Numbers(0, 24));
  MOE_ASSERT_OK(Narrow(all, {to_}).status());
  EXPECT_EQ(ReadTensors(to_), ReadTensors(from_));
  for (const char* const file : {"/model.safetensors", "/config.json"}) {
    EXPECT_EQ(base::ReadFile(to_ + file, 1 << 20).value(),
              base::ReadFile(from_ + file, 1 << 20).value());
  }
}

TEST_F(NarrowMlpTest, ThreadsAndShardsChangeNoTensor) {
  WriteTinyModel({.num_shards = 2}, from_);
  MOE_ASSERT_OK(Narrow(SomeNeurons(), {to_}).status());
  for (const int num_threads : {2, 7}) {
    ConversionOutput output = {
        directory_.Path(absl::StrCat("threads", num_threads))};
    output.max_shard_bytes = 1000;
    MOE_ASSERT_OK_AND_ASSIGN(const WrittenCheckpoint written,
                             Narrow(SomeNeurons(), output, num_threads));
    EXPECT_GT(written.num_shards, 2);
    EXPECT_EQ(ReadTensors(output.path), ReadTensors(to_));
  }
}

TEST_F(NarrowMlpTest, NoPathGoesAlong) {
  WriteTinyModel({}, from_);
  base::Json config = ConfigOf(from_);
  config["_name_or_path"] = "someone/model";
  config["vocab_file"] = "/home/someone/vocab";
  directory_.Write("from/config.json", base::FormatJson(config));
  MOE_ASSERT_OK_AND_ASSIGN(const WrittenCheckpoint written,
                           Narrow(SomeNeurons(), {to_}));
  EXPECT_EQ(ConfigOf(to_).count("_name_or_path"), 0u);
  EXPECT_EQ(ConfigOf(to_).count("vocab_file"), 0u);
  ASSERT_EQ(written.left_behind.size(), 1u);
  EXPECT_EQ(written.left_behind[0].name, "config.json: vocab_file");
}

TEST_F(NarrowMlpTest, SaysBeforeTheWorkWhatIsInTheWay) {
  WriteTinyModel({}, from_);
  const checkpoint::Checkpoint from =
      checkpoint::Checkpoint::Open(from_).value();
  MOE_EXPECT_OK(CheckNarrowOutput(from, 5, {to_}));
  // It leaves nothing behind.
  EXPECT_THAT(directory_.List(), ElementsAre("from"));
  EXPECT_THAT(CheckNarrowOutput(from, 5, {from_, /*overwrite=*/true}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("never written to")));
  MOE_ASSERT_OK(Narrow(SomeNeurons(), {to_}).status());
  EXPECT_THAT(
      CheckNarrowOutput(from, 5, {to_}),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("--overwrite")));
  MOE_EXPECT_OK(CheckNarrowOutput(from, 5, {to_, /*overwrite=*/true}));
}

}  // namespace
}  // namespace moe::convert
