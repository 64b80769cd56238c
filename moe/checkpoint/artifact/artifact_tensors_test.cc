#include "moe/checkpoint/artifact/artifact_tensors.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::checkpoint {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// 1.0 and -2.0 in bfloat16 and in half precision.
HostTensor Bf16Pair() {
  return {Dtype::kBF16, {2}, std::string("\x80\x3f\x00\xc0", 4)};
}
HostTensor F16Pair() {
  return {Dtype::kF16, {2}, std::string("\x00\x3c\x00\xc0", 4)};
}

TEST(ArtifactTensorsTest, FloatsAreUpcast) {
  EXPECT_THAT(ReadVector<float>(Bf16Pair(), "x"),
              IsOkAndHolds(ElementsAre(1, -2)));
  EXPECT_THAT(ReadVector<float>(F16Pair(), "x"),
              IsOkAndHolds(ElementsAre(1, -2)));
  EXPECT_THAT(ReadVector<float>(FloatTensor({0.5f}, {1}), "x"),
              IsOkAndHolds(ElementsAre(0.5f)));
  EXPECT_THAT(ReadVector<double>(Bf16Pair(), "x"),
              IsOkAndHolds(ElementsAre(1, -2)));
  EXPECT_THAT(ReadVector<double>(DoubleTensor({0.1}, {1}), "x"),
              IsOkAndHolds(ElementsAre(0.1)));
}

TEST(ArtifactTensorsTest, RefusesOtherTypesAndRanks) {
  EXPECT_THAT(ReadVector<float>(DoubleTensor({0.5}, {1}), "layers.0"),
              StatusIs(kInvalid,
                       "layers.0: expected F32 (or BF16 or F16), found F64 "
                       "[1]"));
  EXPECT_THAT(ReadVector<double>(IntTensor({1}, {1}), "x"), StatusIs(kInvalid));
  EXPECT_THAT(ReadVector<int64_t>(FloatTensor({1.0f}, {1}), "x"),
              StatusIs(kInvalid, HasSubstr("I64 (or I32)")));
  EXPECT_THAT(ReadMatrix<float>(FloatTensor({1.0f}, {1}), "x"),
              StatusIs(kInvalid, HasSubstr("expected a matrix")));
  EXPECT_THAT(ReadVector<float>(FloatTensor({1.0f}, {}), "x"),
              StatusIs(kInvalid));
  EXPECT_THAT(ReadMatrix<int64_t>(IntTensor({1}, {1, 1, 1}), "x"),
              StatusIs(kInvalid));
}

TEST(ArtifactTensorsTest, IntsOfBothWidths) {
  const HostTensor narrow = {Dtype::kI32, {1}, "\xfe\xff\xff\xff"};
  EXPECT_THAT(ReadVector<int64_t>(narrow, "x"), IsOkAndHolds(ElementsAre(-2)));
  EXPECT_THAT(ReadMatrix<int64_t>(IntTensor({1, 2}, {2, 1}), "x"),
              IsOkAndHolds(base::Matrix<int64_t>(2, 1, {1, 2})));
}

TEST(ArtifactTensorsTest, Counts) {
  EXPECT_THAT(ReadCount(IntTensor({7}, {}), "n"), IsOkAndHolds(7));
  EXPECT_THAT(ReadCount(IntTensor({7}, {1}), "n"), IsOkAndHolds(7));
  EXPECT_THAT(ReadCount(FloatTensor({7.0f}, {1}), "n"), IsOkAndHolds(7));
  for (const float bad :
       {7.5f, 1e30f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(ReadCount(FloatTensor({bad}, {}), "n"),
                StatusIs(kInvalid, HasSubstr("expected a count")));
  }
  EXPECT_THAT(ReadCount(IntTensor({1, 2}, {2}), "n"),
              StatusIs(kInvalid, HasSubstr("expected one number")));
  const PtValue number = {int64_t{3}};
  EXPECT_THAT(CountAt(PtCursor(number)), IsOkAndHolds(3));
}

TEST(TensorTakerTest, KnowsWhatNobodyAskedFor) {
  const HostTensors tensors = {{"layers.0", FloatTensor({}, {0})},
                               {"layers.1.x", FloatTensor({}, {0})}};
  TensorTaker taker(tensors);
  EXPECT_THAT(taker.NumLayers(), IsOkAndHolds(2));
  MOE_EXPECT_OK(taker.Take("layers.0"));
  EXPECT_THAT(
      taker.Take("layers.1"),
      StatusIs(kInvalid, "expected the tensor \"layers.1\", found none"));
  EXPECT_THAT(taker.Finish(), StatusIs(kInvalid, HasSubstr("\"layers.1.x\"")));
  MOE_EXPECT_OK(taker.Take("layers.1.x"));
  MOE_EXPECT_OK(taker.Finish());
}

TEST(TensorTakerTest, LayerNumbersAreStrict) {
  for (const std::string name :
       {"", "layers.", "layers.x", "layers.01", "layers.-1", "layers.+1",
        "layers. 1", "layer.0", "layers.9999999999999999999",
        "layers.9223372036854775807"}) {
    const HostTensors tensors = {{name, FloatTensor({}, {0})}};
    EXPECT_THAT(TensorTaker(tensors).NumLayers(), StatusIs(kInvalid)) << name;
  }
  const HostTensors none;
  EXPECT_THAT(TensorTaker(none).NumLayers(),
              StatusIs(kInvalid, HasSubstr("found no tensors")));
}

TEST(ArtifactTensorsTest, Checks) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {0.0f, 1.0f, 2.0f, -infinity};
  EXPECT_THAT(CheckFinite(values, "layers.3", 2),
              StatusIs(kInvalid,
                       "layers.3[1, 1]: expected a finite value, found -inf"));
  EXPECT_THAT(
      CheckFinite(values, "layers.3"),
      StatusIs(kInvalid,
               HasSubstr("layers.3[3]: expected a finite value, found -inf")));
  const std::vector<double> doubles = {std::nan("")};
  EXPECT_THAT(CheckFinite(doubles, "m"),
              StatusIs(kInvalid,
                       HasSubstr("m[0]: expected a finite value, found nan")));
  EXPECT_THAT(
      CheckEqual(2, 3, "p", "num_layers"),
      StatusIs(kInvalid, HasSubstr("p: expected num_layers 3, found 2; ")));
  MOE_EXPECT_OK(CheckEqual(3, 3, "", "num_layers"));
}

}  // namespace
}  // namespace moe::checkpoint
