#include "moe/align/hidden_distribution.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "moe/align/block_alignment.h"
#include "moe/base/json.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/kernels/sums/moments.h"
#include "moe/kernels/sums/token_ranges.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/shard_options.pb.h"
#include "moe/model/walk/token_shard.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_plan.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/model/walk/weighted_sequences.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align {
namespace {

// Adds the shard's own tokens of a walk to the sums.
class DistributionTap : public model::WalkTap {
 public:
  // `first_token` is the number of the walk's first token among all.
  DistributionTap(const kernels::TokenRange& own, int64_t first_token,
                  base::ThreadPool& pool, DistributionSums& sums)
      : own_(own), first_token_(first_token), pool_(pool), sums_(sums) {}

  absl::Status OnAttentionOutput(const model::TapContext& context,
                                 base::MatrixView<float> output) override {
    return Add(context, output, sums_.attention(context.layer));
  }
  absl::Status OnMlpOutput(const model::TapContext& context,
                           base::MatrixView<float> output) override {
    return Add(context, output, sums_.mlp(context.layer));
  }

 private:
  absl::Status Add(const model::TapContext& context,
                   base::MatrixView<const float> output,
                   kernels::Moments& sums) {
    const int64_t first = first_token_ + context.group.first_token;
    const int64_t begin = std::max(first, own_.begin);
    const int64_t end = std::min(first + output.rows, own_.end);
    if (begin >= end) return absl::OkStatus();
    return sums.Add(begin, output.Rows(begin - first, end - first), pool_);
  }

  const kernels::TokenRange own_;
  const int64_t first_token_;
  base::ThreadPool& pool_;
  DistributionSums& sums_;
};

struct BlockSummary {
  size_t layer = 0;
  std::string part;
  int64_t num_tokens = 0;
  double largest_abs_mean = 0.0;
  double least_variance = 0.0;
  double largest_variance = 0.0;
  int64_t num_dead = 0;
};

std::vector<BlockSummary> Summarize(
    const checkpoint::Distribution& distribution) {
  std::vector<BlockSummary> blocks;
  for (size_t i = 0; i < distribution.layers.size(); ++i) {
    for (const auto& [part, moments] : distribution.layers[i].Named()) {
      if (!moments->has_value() || (*moments)->variance.empty()) continue;
      const std::vector<double>& variance = (*moments)->variance;
      const auto [least, largest] =
          std::minmax_element(variance.begin(), variance.end());
      const std::vector<bool> dead = DeadFeatures(variance);
      BlockSummary block = {i,
                            std::string(part),
                            (*moments)->number,
                            0.0,
                            *least,
                            *largest,
                            std::count(dead.begin(), dead.end(), true)};
      for (const double mean : (*moments)->mean) {
        block.largest_abs_mean =
            std::max(block.largest_abs_mean, std::fabs(mean));
      }
      blocks.push_back(std::move(block));
    }
  }
  return blocks;
}

size_t HiddenSize(const checkpoint::Distribution& distribution) {
  for (const auto& layer : distribution.layers) {
    for (const auto& [part, moments] : layer.Named()) {
      if (moments->has_value()) return (*moments)->mean.size();
    }
  }
  return 0;
}

}  // namespace

absl::StatusOr<DistributionSums> SumHiddenDistribution(
    model::Model& model, const text::TokenSequences& sequences,
    const ShardOptions& shard_options, const model::WalkOptions& walk_options,
    const model::WalkResources& resources) {
  MOE_RETURN_IF_ERROR(model::ValidateShardOptions(shard_options));
  // Before sorting, so that messages have the caller's sequence numbers.
  MOE_RETURN_IF_ERROR(model::CheckSequences(model.config(), sequences));
  const DistributionSums::Shape shape = {model.config().num_hidden_layers,
                                         model.config().hidden_size};
  MOE_ASSIGN_OR_RETURN(
      const base::MemoryBudget::Reservation memory,
      resources.budget.Reserve(DistributionSums::SizeBytes(shape),
                               "hidden distribution"));
  DistributionSums sums(shape);
  const text::TokenSequences all = model::InCanonicalOrder(sequences);
  const absl::Span<const int64_t> offsets = all.offsets();
  const model::TokenShard shard = model::ShardOf(offsets, shard_options);
  if (shard.first_sequence == shard.end_sequence) return sums;
  DistributionTap tap(shard.tokens,
                      offsets[static_cast<size_t>(shard.first_sequence)],
                      resources.pool, sums);
  MOE_RETURN_IF_ERROR(base::Annotate(
      model::WalkForward(
          model, model::SubRange(all, shard.first_sequence, shard.end_sequence),
          walk_options, &tap, resources)
          .status(),
      absl::StrCat("sequences sorted by their tokens, counted from number ",
                   shard.first_sequence)));
  MOE_RETURN_IF_ERROR(sums.Finish());
  return sums;
}

checkpoint::FeatureMoments FeatureMomentsOf(const kernels::Moments& sums) {
  return {sums.num_tokens(), sums.Means(), sums.Variances()};
}

DistributionSums::DistributionSums(const Shape& shape)
    : blocks_(static_cast<size_t>(2 * shape.num_layers),
              kernels::Moments(shape.hidden_size)) {}

int64_t DistributionSums::SizeBytes(const Shape& shape) {
  return 2 * shape.num_layers * shape.hidden_size * kMomentsBytesPerFeature;
}

DistributionSums::Shape DistributionSums::shape() const {
  if (blocks_.empty()) return {};
  return {static_cast<int64_t>(blocks_.size() / 2), blocks_[0].num_features()};
}

int64_t DistributionSums::num_tokens() const {
  return blocks_.empty() ? 0 : blocks_[0].num_tokens();
}

std::string DistributionSums::NameOf(size_t index) {
  return checkpoint::LayerTensorName(static_cast<int64_t>(index / 2),
                                     index % 2 == 0 ? "attn" : "mlp");
}

absl::Status DistributionSums::Finish() {
  for (kernels::Moments& block : blocks_) MOE_RETURN_IF_ERROR(block.Finish());
  return absl::OkStatus();
}

absl::Status DistributionSums::Merge(const DistributionSums& other) {
  if (blocks_.size() != other.blocks_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sums: expected ", shape().num_layers, " layers, found ",
                     other.shape().num_layers));
  }
  for (size_t i = 0; i < blocks_.size(); ++i) {
    MOE_RETURN_IF_ERROR(
        base::Annotate(blocks_[i].Merge(other.blocks_[i]), NameOf(i)));
  }
  return absl::OkStatus();
}

absl::StatusOr<checkpoint::Distribution> DistributionSums::ToDistribution()
    const {
  if (num_tokens() == 0) {
    return absl::InvalidArgumentError(
        "tokens: expected at least 1 for a mean and a variance, found none; "
        "give "
        "a dataset with tokens");
  }
  checkpoint::Distribution distribution;
  for (size_t i = 0; i < blocks_.size(); i += 2) {
    checkpoint::LayerParts<checkpoint::FeatureMoments> layer;
    layer.attn = FeatureMomentsOf(blocks_[i]);
    layer.mlp = FeatureMomentsOf(blocks_[i + 1]);
    distribution.layers.push_back(std::move(layer));
  }
  return distribution;
}

DistributionSums::Records DistributionSums::ToRecords() const {
  Records records;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    records[NameOf(i)] = blocks_[i].Serialize();
  }
  return records;
}

absl::StatusOr<DistributionSums> DistributionSums::FromRecords(
    const Records& records) {
  if (records.empty()) {
    return absl::InvalidArgumentError(
        "sums: expected those of at least one layer, found none");
  }
  DistributionSums parsed(Shape{});
  // If the number is odd, the attention or the MLP of a layer is missing.
  for (size_t i = 0; i < records.size() + records.size() % 2; ++i) {
    const std::string name = NameOf(i);
    const auto found = records.find(name);
    if (found == records.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("sums: expected \"", name, "\", found ", records.size(),
                       " other records"));
    }
    absl::StatusOr<kernels::Moments> block =
        kernels::Moments::Parse(found->second);
    MOE_RETURN_IF_ERROR(base::Annotate(block.status(), name));
    parsed.blocks_.push_back(*std::move(block));
    const kernels::Moments& first = parsed.blocks_.front();
    const kernels::Moments& last = parsed.blocks_.back();
    if (last.num_tokens() != first.num_tokens() ||
        last.num_features() != first.num_features()) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, ": expected ", first.num_features(), " features over ",
          first.num_tokens(), " tokens, as ", NameOf(0), " has, found ",
          last.num_features(), " over ", last.num_tokens()));
    }
  }
  return parsed;
}

base::Json DistributionReportToJson(
    const checkpoint::Distribution& distribution) {
  base::Json json = base::Json::object();
  json["hidden_size"] = HiddenSize(distribution);
  json["blocks"] = base::Json::array();
  for (const BlockSummary& block : Summarize(distribution)) {
    json["blocks"].push_back({{"layer", block.layer},
                              {"part", block.part},
                              {"num_tokens", block.num_tokens},
                              {"largest_abs_mean", block.largest_abs_mean},
                              {"least_variance", block.least_variance},
                              {"largest_variance", block.largest_variance},
                              {"num_dead_features", block.num_dead}});
  }
  return json;
}

std::string FormatDistributionReport(
    const checkpoint::Distribution& distribution) {
  std::string text = absl::StrFormat(
      "  %5s  %4s  %14s  %14s  %16s  %13s\n", "layer", "part", "largest |mean|",
      "least variance", "largest variance", "dead features");
  for (const BlockSummary& block : Summarize(distribution)) {
    absl::StrAppendFormat(&text, "  %5d  %4s  %14.4g  %14.4g  %16.4g  %13d\n",
                          block.layer, block.part, block.largest_abs_mean,
                          block.least_variance, block.largest_variance,
                          block.num_dead);
  }
  return text;
}

}  // namespace moe::align
