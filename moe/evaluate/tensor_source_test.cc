#include "moe/evaluate/tensor_source.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/artifact/pt_bridge.h"
#include "moe/checkpoint/artifact/pt_value.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"

namespace moe::evaluate {
namespace {

using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(NaturalOrderTest, NumbersCompareAsNumbers) {
  std::vector<std::string> names = {"l.10.w", "l.9.w",  "l",  "l.9",
                                    "k.99",   "l.10.a", "l.x"};
  std::sort(names.begin(), names.end(), NaturalOrder());
  EXPECT_THAT(names, ElementsAre("k.99", "l", "l.9", "l.9.w", "l.10.a",
                                 "l.10.w", "l.x"));
}

TEST(NaturalOrderTest, TakesNumbersOfAnyLength) {
  EXPECT_TRUE(NaturalLess("99999999999999999998", "99999999999999999999"));
  EXPECT_TRUE(NaturalLess("99999999999999999999", "100000000000000000000"));
}

TEST(NaturalOrderTest, IsTotalWhereNumbersTie) {
  // "07" < "7" as bytes.
  EXPECT_TRUE(NaturalLess("a.07", "a.7"));
  EXPECT_FALSE(NaturalLess("a.7", "a.07"));
  EXPECT_FALSE(NaturalLess("a.7", "a.7"));
}

std::string Names(const TensorSource& source) {
  std::string names;
  for (const SourceTensor& tensor : source.tensors()) {
    names += tensor.spec.name + " " +
             std::string(checkpoint::DtypeName(tensor.spec.dtype)) +
             checkpoint::FormatShape(tensor.spec.shape) + "; ";
  }
  return names;
}

TEST(OpenTensorSourceTest, ListsTheShardsOfADirectory) {
  MOE_ASSERT_OK_AND_ASSIGN(const auto source,
                           OpenTensorSource("testdata/llama_mha_f32_sharded"));
  EXPECT_EQ(source->kind(), SourceKind::kDirectory);
  ASSERT_EQ(source->files().size(), 3u);
  EXPECT_THAT(source->files()[1].path, HasSubstr("model-00002-of-00003"));
  // 9 tensors in each of 3 layers, embedding and norm.
  EXPECT_EQ(source->tensors().size(), 29u);
  EXPECT_EQ(source->tensors().back().file, 2u);
}

TEST(OpenTensorSourceTest, OpensASafetensorsFileByContent) {
  const TempDirectory directory;
  const std::string path = directory.Path("odd_name.pt");
  const checkpoint::HostTensors tensors = {
      {"w", {checkpoint::Dtype::kU8, {4}, "abcd"}}};
  MOE_ASSERT_OK(
      checkpoint::WriteSafetensorsFile(path, tensors, {{"seed", "7"}}, false));
  MOE_ASSERT_OK_AND_ASSIGN(const auto source, OpenTensorSource(path));
  EXPECT_EQ(source->kind(), SourceKind::kSafetensors);
  EXPECT_THAT(source->files()[0].metadata, ElementsAre(Pair("seed", "7")));
  // The data are the last four bytes of the file.
  EXPECT_EQ(source->tensors()[0].offset_bytes,
            source->files()[0].size_bytes - 4);
  std::string middle(2, '\0');
  MOE_ASSERT_OK(source->Read(0, 1, absl::MakeSpan(middle)));
  EXPECT_EQ(middle, "bc");
}

TEST(OpenTensorSourceTest, FlattensAPtFile) {
  const TempDirectory directory;
  checkpoint::PtDict inner;
  inner.Add("mean",
            {checkpoint::HostTensor{checkpoint::Dtype::kU8, {2}, "xy"}});
  inner.Add("number", {int64_t{5}});
  checkpoint::PtDict root;
  root.Add(int64_t{0}, {std::move(inner)});
  root.Add(int64_t{1},
           {checkpoint::PtList{{checkpoint::PtInts{1, 2, 3}}, {0.5}}});
  const std::string path = directory.Path("artifact.pt");
  MOE_ASSERT_OK(checkpoint::WritePtFile({std::move(root)}, path, false));
  MOE_ASSERT_OK_AND_ASSIGN(const auto source, OpenTensorSource(path));
  EXPECT_EQ(source->kind(), SourceKind::kPt);
  EXPECT_EQ(Names(*source),
            "0.mean U8[2]; 0.number I64[]; 1.0 I64[3]; 1.1 F64[]; ");
  std::string last(1, '\0');
  MOE_ASSERT_OK(source->Read(0, 1, absl::MakeSpan(last)));
  EXPECT_EQ(last, "y");
}

TEST(OpenTensorSourceTest, ALonePtValueHasAName) {
  const TempDirectory directory;
  const std::string path = directory.Path("tensor.pt");
  MOE_ASSERT_OK(checkpoint::WritePtFile(
      {checkpoint::HostTensor{checkpoint::Dtype::kU8, {1}, "x"}}, path, false));
  MOE_ASSERT_OK_AND_ASSIGN(const auto source, OpenTensorSource(path));
  EXPECT_EQ(Names(*source), "value U8[1]; ");
}

TEST(OpenTensorSourceTest, RefusesPtNamesThatCollide) {
  const TempDirectory directory;
  checkpoint::PtDict root;
  root.Add(int64_t{0}, {int64_t{1}});
  root.Add("0", {int64_t{2}});
  const std::string path = directory.Path("artifact.pt");
  MOE_ASSERT_OK(checkpoint::WritePtFile({std::move(root)}, path, false));
  EXPECT_THAT(OpenTensorSource(path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("artifact.pt: two values flatten to the name "
                                 "\"0\"")));
}

// The names of a value's parts repeat the keys above it: a key of 60 kB over a
// thousand numbers makes 60 MB out of a file of some 70 kB.
TEST(OpenTensorSourceTest, RefusesNamesThatAFileOfThatSizeCannotHold) {
  const TempDirectory directory;
  checkpoint::PtList numbers(1000, checkpoint::PtValue{0.5});
  checkpoint::PtDict root;
  root.Add(std::string(60000, 'k'), {numbers});
  const std::string path = directory.Path("artifact.pt");
  MOE_ASSERT_OK(checkpoint::WritePtFile({root}, path, false));
  EXPECT_THAT(OpenTensorSource(path),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("artifact.pt: expected names")));
  checkpoint::PtDict short_key;
  short_key.Add(std::string(60, 'k'), {numbers});
  MOE_ASSERT_OK(checkpoint::WritePtFile({short_key}, path, true));
  MOE_EXPECT_OK(OpenTensorSource(path));
}

TEST(OpenTensorSourceTest, SaysWhatIsWrongWithAPath) {
  const TempDirectory directory;
  EXPECT_THAT(
      OpenTensorSource(directory.Path("none")),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("none does not exist")));
  EXPECT_THAT(OpenTensorSource(directory.path()),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("has neither model.safetensors")));
  EXPECT_THAT(
      OpenTensorSource(directory.Write("model.safetensors.index.json", "{}")),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("is a JSON file; name the directory")));
  EXPECT_THAT(OpenTensorSource(directory.Write("short", "PK")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("short")));
}

}  // namespace

}  // namespace moe::evaluate
