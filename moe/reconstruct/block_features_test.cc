#include "moe/reconstruct/block_features.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/checkpoint/tensor_name.h"
#include "moe/kernels/testing/kernel_test.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/layer/layer_batch.h"
#include "moe/model/walk/testing/walk_fixture.h"

namespace moe::reconstruct {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::kernels::testing::BitsEqual;
using ::moe::kernels::testing::TestMatrix;
using ::moe::model::testing::FixtureNames;
using ::moe::model::testing::FixturePath;
using ::moe::model::testing::MoeFixtureNames;
using ::moe::model::testing::MoeFixturePath;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

// The names in the files of all matrices that end a block of the layer.
std::set<std::string> LastMatrices(const checkpoint::Checkpoint& checkpoint,
                                   int64_t layer, model::DecoderBlock block) {
  const std::set<checkpoint::TensorKind> kinds =
      block == model::DecoderBlock::kAttention
          ? std::set<checkpoint::TensorKind>{checkpoint::TensorKind::kOutput}
          : std::set<checkpoint::TensorKind>{
                checkpoint::TensorKind::kMlpDown,
                checkpoint::TensorKind::kContractDown,
                checkpoint::TensorKind::kExpertDown,
                checkpoint::TensorKind::kResidualDown};
  std::set<std::string> names;
  for (const checkpoint::SafetensorsFile& shard :
       checkpoint.tensors().shards()) {
    for (const checkpoint::SafetensorsTensor& tensor : shard.tensors()) {
      const std::optional<checkpoint::TensorName> name =
          checkpoint::ParseTensorName(tensor.spec.name);
      if (name.has_value() && name->layer == layer && !name->is_bias &&
          kinds.count(name->kind) > 0) {
        names.insert(tensor.spec.name);
      }
    }
  }
  return names;
}

std::vector<std::string> AllFixtures() {
  std::vector<std::string> paths;
  for (const std::string& name : FixtureNames()) {
    paths.push_back(FixturePath(name));
  }
  for (const std::string& name : MoeFixtureNames()) {
    paths.push_back(MoeFixturePath(name));
  }
  return paths;
}

TEST(LayoutOfBlockTest, HasAllLastMatricesSideBySide) {
  for (const std::string& path : AllFixtures()) {
    const checkpoint::Checkpoint checkpoint =
        checkpoint::Checkpoint::Open(path).value();
    const checkpoint::LlamaConfig& config =
        checkpoint::DecoderConfig(checkpoint.config());
    for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
      for (const model::DecoderBlock block :
           {model::DecoderBlock::kAttention, model::DecoderBlock::kMlp}) {
        SCOPED_TRACE(absl::StrCat(path, ", layer ", layer));
        const BlockLayout layout = LayoutOfBlock(checkpoint, layer, block);
        std::vector<std::string> names;
        int64_t next = 0, num_of_experts = 0;
        for (const OutputMatrix& matrix : layout.matrices) {
          names.push_back(checkpoint::FormatTensorName(matrix.name));
          EXPECT_EQ(matrix.first_column, next);
          next += matrix.num_columns;
          EXPECT_EQ(
              model::LocateWeight(checkpoint, matrix.name).tensor->spec.shape,
              (checkpoint::Shape{config.hidden_size, matrix.num_columns}));
          // Ascending, and what has no expert at the end.
          if (matrix.name.expert >= 0) {
            EXPECT_EQ(matrix.name.expert, num_of_experts++);
          }
        }
        EXPECT_EQ(layout.num_features, next);
        EXPECT_EQ(layout.has_experts, num_of_experts > 0);
        EXPECT_THAT(names, UnorderedElementsAreArray(
                               LastMatrices(checkpoint, layer, block)));
      }
    }
  }
}

TEST(AddChangeTest, AddsTheMatrixsOwnColumns) {
  const checkpoint::Checkpoint checkpoint =
      checkpoint::Checkpoint::Open(MoeFixturePath(MoeFixtureNames()[0]))
          .value();
  const BlockLayout layout =
      LayoutOfBlock(checkpoint, 0, model::DecoderBlock::kMlp);
  const OutputMatrix& matrix = layout.matrices[1];
  const std::vector<float> values =
      model::ToFloats(model::ReadWeight(checkpoint, matrix.name).value());
  // What is added to its own columns doubles each element, in every type.
  base::Matrix<double> change(
      checkpoint::DecoderConfig(checkpoint.config()).hidden_size,
      layout.num_features);
  for (double& x : change.values()) x = 7.0;
  std::vector<float> doubled;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    change.view().RowData(
        index /
        matrix.num_columns)[matrix.first_column + index % matrix.num_columns] =
        values[i];
    doubled.push_back(2.0f * values[i]);
  }
  const absl::StatusOr<checkpoint::HostTensor> sum =
      AddChange(checkpoint, matrix, change.view());
  ASSERT_TRUE(sum.ok()) << sum.status();
  EXPECT_EQ(model::ToFloats(*sum), doubled);

  change.view().RowData(3)[matrix.first_column + 2] = 1e39;
  const int64_t element = 3 * matrix.num_columns + 2;
  EXPECT_THAT(
      AddChange(checkpoint, matrix, change.view()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr(absl::StrCat(
                   "tensor \"", checkpoint::FormatTensorName(matrix.name),
                   "\", element ", element, ": expected a number that "))));
}

// 4 features each of 3 experts, and 3 for every token.
BlockLayout Layout() {
  BlockLayout layout;
  for (int64_t e = 0; e < 3; ++e) {
    layout.matrices.push_back(
        {{checkpoint::TensorKind::kExpertDown, 0, e}, 4 * e, 4});
  }
  layout.matrices.push_back(
      {{checkpoint::TensorKind::kResidualDown, 0}, 12, 3});
  layout.num_features = 15;
  layout.has_experts = true;
  return layout;
}

TEST(FeatureRowsTest, PutsEveryPartInItsPlace) {
  const BlockLayout layout = Layout();
  // More rows first: what they leave is gone.
  FeatureRows features(layout);
  base::ThreadPool pool(2);
  for (const int64_t num_rows : {9, 7}) {
    features.Start(num_rows, pool);
    base::Matrix<float> want =
        base::Matrix<float>::Zeros(num_rows, layout.num_features);
    for (int64_t e = 0; e < 3; ++e) {
      // Other tokens for other numbers of rows; expert 1 has none.
      std::vector<int64_t> rows;
      std::vector<float> weights;
      for (int64_t t = 0; t < num_rows; ++t) {
        if (e == 1 || (t + e + num_rows) % 3 == 0) continue;
        rows.push_back(t);
        weights.push_back(0.1f * static_cast<float>(t + 1));
      }
      TestMatrix part(static_cast<int64_t>(rows.size()), 4, /*misalignment=*/1,
                      /*padding=*/2);
      part.Fill(absl::StrCat("expert", e));
      features.Add(
          {model::DecoderBlock::kMlp, e, rows, 0, weights, part.view()}, pool);
      for (size_t i = 0; i < rows.size(); ++i) {
        for (int64_t j = 0; j < 4; ++j) {
          want.view().RowData(rows[i])[4 * e + j] =
              weights[i] * part.view().RowData(static_cast<int64_t>(i))[j];
        }
      }
    }
    // The rows for every token come in two parts.
    TestMatrix all(num_rows, 3);
    all.Fill("residual");
    for (const auto& [begin, end] :
         {std::pair<int64_t, int64_t>(0, 4),
          std::pair<int64_t, int64_t>(4, num_rows)}) {
      features.Add(
          {.first_row = begin, .features = all.view().Rows(begin, end)}, pool);
    }
    for (int64_t t = 0; t < num_rows; ++t) {
      for (int64_t j = 0; j < 3; ++j) {
        want.view().RowData(t)[12 + j] = all.view().RowData(t)[j];
      }
    }
    ASSERT_EQ(features.rows().rows, num_rows);
    for (int64_t t = 0; t < num_rows; ++t) {
      EXPECT_TRUE(BitsEqual<float>(features.rows().Row(t), want.Row(t))) << t;
    }
  }
}

}  // namespace
}  // namespace moe::reconstruct
