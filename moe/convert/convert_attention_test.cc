#include "moe/convert/convert_attention.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/matrix.h"
#include "moe/base/philox.h"
#include "moe/base/progress.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/attention_options.pb.h"
#include "moe/convert/convert_mlp.h"
#include "moe/convert/mlp_options.pb.h"
#include "moe/convert/new_weights.h"
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
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Case {
  TinyModel model;  // 8 heads, 2 KV heads: up to 4 experts of a KV head.
  int64_t split = 1;
  int64_t num_contract = 0;
  double scale_factor = 2.0;
  bool after_mlp = false;
  bool given_gates = false;
};

TinyModel EightHeads() {
  TinyModel model;
  model.num_heads = 8;
  return model;
}

AttentionConversionOptions OptionsOf(const Case& c) {
  AttentionConversionOptions options;
  options.set_attn_split(c.split);
  options.set_top_k_attn(2);
  options.set_scale_factor_attn(c.scale_factor);
  if (!c.after_mlp) options.set_num_moe_contract_layers(c.num_contract);
  options.set_seed(7);
  return options;
}

checkpoint::GateWeights RandomGates(const Case& c, int64_t num_rows) {
  checkpoint::GateWeights gates;
  for (int64_t layer = 0; layer < c.model.num_layers; ++layer) {
    base::RandomStream stream(2, absl::StrCat("gates/", layer));
    base::Matrix<float> weights(num_rows, c.model.hidden_size);
    for (float& w : weights.values()) w = stream.UniformSymmetric(3.0f);
    gates.layers.push_back(std::move(weights));
  }
  return gates;
}

absl::StatusOr<AttentionConversion> Convert(
    const std::string& from, const std::string& to,
    const AttentionConversionOptions& options,
    const checkpoint::GateWeights* gates = nullptr) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint checkpoint,
                       checkpoint::Checkpoint::Open(from));
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  return ConvertAttention(checkpoint, options, {gates, "gates.file"}, {to},
                          {pool, progress});
}

// The MLPs of all layers but the contract layers in 4 experts.
void ConvertMlps(const Case& c, const std::string& from,
                 const std::string& to) {
  MlpConversionOptions options;
  options.set_num_experts(4);
  options.set_top_k(2);
  options.set_scale_factor(4.0);
  options.set_num_moe_contract_layers(c.num_contract);
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint dense,
                           checkpoint::Checkpoint::Open(from));
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  MOE_ASSERT_OK(
      ConvertMlp(dense, options, {}, {to}, {pool, progress}).status());
}

// What the checkpoint must hold, from the definition.
class Wanted {
 public:
  Wanted(const Case& c, const checkpoint::GateWeights* gates,
         checkpoint::HostTensors from)
      : c_(c), gates_(gates), from_(std::move(from)) {}

  checkpoint::HostTensors Tensors() {
    for (const auto& [name, tensor] : from_) {
      std::string moe_name = name;
      for (const auto& [dense, moe] : kMlp) {
        const size_t at = name.find(dense);
        if (at != std::string::npos) {
          moe_name.replace(at, std::string(dense).size(), moe);
        }
      }
      wanted_[moe_name] = tensor;
    }
    for (int64_t i = c_.num_contract; i < c_.model.num_layers - c_.num_contract;
         ++i) {
      SplitLayer(absl::StrCat("model.layers.", i, ".self_attn."), i);
    }
    return wanted_;
  }

 private:
  static constexpr std::pair<const char*, const char*> kMlp[] = {
      {".mlp.gate_proj.", ".block_sparse_moe.w1."},
      {".mlp.up_proj.", ".block_sparse_moe.w3."},
      {".mlp.down_proj.", ".block_sparse_moe.w2."}};

  void SplitLayer(const std::string& prefix, int64_t layer) {
    const int64_t num_experts = c_.model.num_key_value_heads * c_.split;
    const int64_t head_dim = c_.model.head_dim;
    const int64_t size = c_.model.num_heads / num_experts * head_dim;
    for (int64_t e = 0; e < num_experts; ++e) {
      const std::vector<int64_t> query = Numbers(e * size, (e + 1) * size);
      const int64_t kv_head = e / c_.split;
      const std::vector<int64_t> kv =
          Numbers(kv_head * head_dim, (kv_head + 1) * head_dim);
      Slice(prefix, "q_proj", ".weight", e, 0, query);
      Slice(prefix, "k_proj", ".weight", e, 0, kv);
      Slice(prefix, "v_proj", ".weight", e, 0, kv);
      Slice(prefix, "o_proj", ".weight", e, 1, query);
      if (!c_.model.attention_bias) continue;
      Slice(prefix, "q_proj", ".bias", e, 0, query);
      Slice(prefix, "k_proj", ".bias", e, 0, kv);
      Slice(prefix, "v_proj", ".bias", e, 0, kv);
      wanted_[absl::StrCat(prefix, "o_proj.", e, ".bias")] =
          OutputBias(from_.at(prefix + "o_proj.bias"));
    }
    for (const char* part : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
      wanted_.erase(absl::StrCat(prefix, part, ".weight"));
      wanted_.erase(absl::StrCat(prefix, part, ".bias"));
    }
    const checkpoint::TensorSpec spec = {prefix + "gate.weight",
                                         c_.model.dtype,
                                         {num_experts, c_.model.hidden_size}};
    wanted_[spec.name] = {
        spec.dtype, spec.shape,
        RouterBytes({gates_, 7, "convert_mixtral_attn_moe"}, layer, spec)};
  }

  void Slice(const std::string& prefix, const std::string& part,
             const std::string& leaf, int64_t expert, size_t axis,
             const std::vector<int64_t>& indices) {
    wanted_[absl::StrCat(prefix, part, ".", expert, leaf)] =
        Select(from_.at(absl::StrCat(prefix, part, leaf)), axis, indices);
  }

  checkpoint::HostTensor OutputBias(checkpoint::HostTensor bias) const {
    std::vector<float> values(static_cast<size_t>(bias.shape[0]));
    checkpoint::WeightsToFloat(bias.dtype, bias.bytes, absl::MakeSpan(values));
    for (float& value : values) value /= static_cast<float>(c_.scale_factor);
    checkpoint::FloatToWeights(bias.dtype, values, absl::MakeSpan(bias.bytes));
    return bias;
  }

  const Case& c_;
  const checkpoint::GateWeights* const gates_;
  const checkpoint::HostTensors from_;
  checkpoint::HostTensors wanted_;
};

TEST(ConvertAttentionTest, EveryExpertIsMadeOfTheDenseBytes) {
  for (const int64_t split : {1, 2, 4}) {
    for (int bits = 0; bits < 32; ++bits) {
      Case c;
      c.model = EightHeads();
      c.split = split;
      c.model.dtype = split == 1   ? checkpoint::Dtype::kBF16
                      : split == 2 ? checkpoint::Dtype::kF16
                                   : checkpoint::Dtype::kF32;
      c.num_contract = (bits & 1) != 0 ? 1 : 0;
      c.after_mlp = (bits & 2) != 0;
      c.given_gates = (bits & 4) != 0;
      c.model.attention_bias = (bits & 8) != 0;
      c.model.mlp_bias = c.model.attention_bias;
      c.model.num_shards = (bits & 16) != 0 ? 3 : 1;
      // Not hidden_size / num_heads.
      c.model.head_dim = (bits & 16) != 0 ? 6 : 2;
      const TempDirectory directory;
      std::string from = directory.Path("dense");
      WriteTinyModel(c.model, from);
      if (c.after_mlp) {
        ConvertMlps(c, from, directory.Path("mlp"));
        from = directory.Path("mlp");
      }
      std::optional<checkpoint::GateWeights> gates;
      if (c.given_gates) gates = RandomGates(c, 2 * split);
      const checkpoint::GateWeights* const given =
          gates.has_value() ? &*gates : nullptr;
      MOE_ASSERT_OK_AND_ASSIGN(
          const AttentionConversion conversion,
          Convert(from, directory.Path("moe"), OptionsOf(c), given));
      ASSERT_EQ(ReadTensors(directory.Path("moe")),
                Wanted(c, given, ReadTensors(from)).Tensors())
          << "split " << split << ", case " << bits;
      MOE_ASSERT_OK_AND_ASSIGN(
          const checkpoint::Checkpoint opened,
          checkpoint::Checkpoint::Open(directory.Path("moe")));
      ASSERT_NE(opened.moe_config(), nullptr);
      EXPECT_EQ(checkpoint::FormatMoeConfig(*opened.moe_config()),
                checkpoint::FormatMoeConfig(conversion.config));
      EXPECT_EQ(opened.moe_config()->attn_experts, 2 * split);
      EXPECT_EQ(opened.moe_config()->top_k_attn, 2);
      EXPECT_EQ(opened.moe_config()->scale_factor_attn, 2.0);
      EXPECT_EQ(opened.moe_config()->num_local_experts, c.after_mlp ? 4 : 0);
      EXPECT_EQ(opened.moe_config()->num_moe_contract_layers, c.num_contract);
      EXPECT_EQ(conversion.has_random_routers, !c.given_gates);
    }
  }
}

struct BadCase {
  std::string message;
  std::function<void(Case&, AttentionConversionOptions&)> change;
};

TEST(ConvertAttentionTest, RefusesWhatDoesNotFitAndWritesNothing) {
  using O = AttentionConversionOptions;
  const BadCase cases[] = {
      {"attn_split: expected 1, 2, 4, 8, ..., found 3",
       [](Case&, O& o) { o.set_attn_split(3); }},
      {"attn_split: expected a divisor of 4, the query heads of a KV head "
       "(num_attention_heads 8, num_key_value_heads 2), found 8",
       [](Case&, O& o) { o.set_attn_split(8); }},
      {"attn_split: expected a divisor of 1, the query heads",
       [](Case& c, O& o) {
         c.model.num_key_value_heads = 8;
         o.set_attn_split(2);
       }},
      {"top_k_attn: expected a number from 1 to 2 (attn_experts), found 3",
       [](Case&, O& o) { o.set_top_k_attn(3); }},
      {"num_moe_contract_layers: expected a number from 0 to 1",
       [](Case&, O& o) { o.set_num_moe_contract_layers(2); }},
      {"num_moe_contract_layers: expected 0, as ",
       [](Case& c, O& o) {
         c.after_mlp = true;
         o.set_num_moe_contract_layers(1);
       }},
      {"3 (scale_factor_attn)",
       [](Case& c, O& o) {
         c.model.attention_bias = true;
         o.set_scale_factor_attn(3.0);
       }},
      {"gates.file: layers.0: expected num_experts 2, found 3",
       [](Case& c, O&) { c.given_gates = true; }},
  };
  for (const BadCase& bad : cases) {
    const TempDirectory directory;
    Case c;
    c.model = EightHeads();
    AttentionConversionOptions options = OptionsOf(c);
    bad.change(c, options);
    const TempDirectory input;
    std::string from = input.Path("dense");
    WriteTinyModel(c.model, from);
    if (c.after_mlp) {
      ConvertMlps(c, from, input.Path("mlp"));
      from = input.Path("mlp");
    }
    const checkpoint::GateWeights gates = RandomGates(c, 3);
    EXPECT_THAT(
        Convert(from, directory.Path("moe"), options,
                c.given_gates ? &gates : nullptr),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)));
    EXPECT_THAT(directory.List(), ::testing::IsEmpty()) << bad.message;
  }
}

TEST(ConvertAttentionTest, RefusesWhatIsConvertedOrAlignedAlready) {
  const TempDirectory directory;
  Case c;
  c.model = EightHeads();
  WriteTinyModel(c.model, directory.Path("dense"));
  MOE_ASSERT_OK(
      Convert(directory.Path("dense"), directory.Path("moe"), OptionsOf(c))
          .status());
  EXPECT_THAT(
      Convert(directory.Path("moe"), directory.Path("again"), OptionsOf(c)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("/moe: expected dense attention, found 2 attention "
                         "experts")));
  // The MLPs first, the attention afterwards.
  MOE_ASSERT_OK_AND_ASSIGN(const checkpoint::Checkpoint moe,
                           checkpoint::Checkpoint::Open(directory.Path("moe")));
  base::ThreadPool pool(1);
  base::Progress progress(base::Progress::Style::kSilent, {});
  MlpConversionOptions options;
  options.set_num_experts(4);
  options.set_top_k(1);
  options.set_scale_factor(1.0);
  EXPECT_THAT(
      ConvertMlp(moe, options, {}, {directory.Path("again")}, {pool, progress}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("/moe: expected a dense checkpoint, found "
                               "attention experts"),
                     HasSubstr("the MLPs first"))));
  EXPECT_THAT(directory.List(), ::testing::ElementsAre("dense", "moe"));
}

}  // namespace
}  // namespace moe::convert
