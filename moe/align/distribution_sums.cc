#include "moe/align/distribution_sums.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/artifact_tensors.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/kernels/sums/moments.h"

namespace moe {

FeatureMoments FeatureMomentsOf(const Moments& sums) {
  return {sums.num_tokens(), sums.Means(), sums.Variances()};
}

DistributionSums::DistributionSums(const Shape& shape)
    : blocks_(static_cast<size_t>(2 * shape.num_layers),
              Moments(shape.hidden_size)) {}

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
  return LayerTensorName(static_cast<int64_t>(index / 2),
                         index % 2 == 0 ? "attn" : "mlp");
}

absl::Status DistributionSums::Finish() {
  for (Moments& block : blocks_) MOE_RETURN_IF_ERROR(block.Finish());
  return absl::OkStatus();
}

absl::Status DistributionSums::Merge(const DistributionSums& other) {
  if (blocks_.size() != other.blocks_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sums of ", other.shape().num_layers, " layers; those of ",
                     shape().num_layers, " layers are wanted"));
  }
  for (size_t i = 0; i < blocks_.size(); ++i) {
    MOE_RETURN_IF_ERROR(
        Annotate(blocks_[i].Merge(other.blocks_[i]), NameOf(i)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Distribution> DistributionSums::ToDistribution() const {
  if (num_tokens() == 0) {
    return absl::InvalidArgumentError(
        "there are no tokens, and no tokens have a mean and a variance; give a "
        "dataset with one at least");
  }
  Distribution distribution;
  for (size_t i = 0; i < blocks_.size(); i += 2) {
    LayerParts<FeatureMoments> layer;
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
        "there are no sums; wanted are those of one layer at least");
  }
  DistributionSums parsed(Shape{});
  // An odd number of them has no attention for its last MLP, or the reverse.
  for (size_t i = 0; i < records.size() + records.size() % 2; ++i) {
    const std::string name = NameOf(i);
    const auto found = records.find(name);
    if (found == records.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("there are no sums \"", name, "\" among the ",
                       records.size(), " there are"));
    }
    absl::StatusOr<Moments> block = Moments::Parse(found->second);
    MOE_RETURN_IF_ERROR(Annotate(block.status(), name));
    parsed.blocks_.push_back(*std::move(block));
    const Moments& first = parsed.blocks_.front();
    const Moments& last = parsed.blocks_.back();
    if (last.num_tokens() != first.num_tokens() ||
        last.num_features() != first.num_features()) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " has the sums of ", last.num_features(), " features over ",
          last.num_tokens(), " tokens, and ", NameOf(0), " those of ",
          first.num_features(), " over ", first.num_tokens()));
    }
  }
  return parsed;
}

}  // namespace moe
