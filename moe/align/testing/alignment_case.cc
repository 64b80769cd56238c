#include "moe/align/testing/alignment_case.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/align/hidden_distribution.h"
#include "moe/base/atomic_write.h"
#include "moe/base/check.h"
#include "moe/base/file_system.h"
#include "moe/base/philox.h"
#include "moe/base/random_access_file.h"
#include "moe/checkpoint/artifact/distribution.h"
#include "moe/checkpoint/artifact/layer_parts.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/model/layer/checkpoint_weights.h"
#include "moe/model/walk/model.h"
#include "moe/model/walk/testing/walk_fixture.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::align::testing {

void WriteFixtureAsF32(absl::string_view name, absl::string_view directory) {
  std::filesystem::create_directories(std::string(directory));
  const std::string from = model::testing::MoeFixturePath(name);
  const std::string config =
      base::ReadFile(absl::StrCat(from, "/config.json"), 1 << 20).value();
  checkpoint::HostTensors tensors =
      checkpoint::ReadSafetensorsFile(absl::StrCat(from, "/model.safetensors"))
          .value();
  for (auto& [tensor_name, tensor] : tensors) {
    const std::vector<float> values = model::ToFloats(tensor);
    tensor.dtype = checkpoint::Dtype::kF32;
    tensor.bytes.resize(values.size() * sizeof(float));
    std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  }
  MOE_CHECK(base::WriteFileAtomically(
                absl::StrCat(directory, "/config.json"),
                /*overwrite=*/true,
                [&](base::WritableFile& file) { return file.Append(config); })
                .ok());
  MOE_CHECK(checkpoint::WriteSafetensorsFile(
                absl::StrCat(directory, "/model.safetensors"), tensors,
                {{"format", "pt"}},
                /*overwrite=*/true)
                .ok());
}

text::TokenSequences ManySequences(absl::string_view name) {
  const text::TokenSequences three =
      model::testing::GoldenSequences(model::testing::MoeGoldens(name));
  const auto ids = three.input_ids(2);
  text::TokenSequences many;
  for (size_t s = 0; s < 40; ++s) {
    const size_t length = 2 + (s * 17) % 47;
    const auto part = ids.subspan((s * 5) % (ids.size() - length + 1), length);
    many.Append(part, part);
  }
  return many;
}

checkpoint::Distribution DistributionOf(absl::string_view directory,
                                        const text::TokenSequences& sequences) {
  model::testing::WalkMachine machine;
  model::Model model = model::Model::Open(directory).value();
  return SumHiddenDistribution(model, sequences, {}, {}, machine.resources())
      .value()
      .ToDistribution()
      .value();
}

checkpoint::Distribution MovedReference(const checkpoint::Distribution& from) {
  base::RandomStream stream(/*seed=*/9, "reference");
  checkpoint::Distribution reference = from;
  for (checkpoint::LayerParts<checkpoint::FeatureMoments>& layer :
       reference.layers) {
    for (const auto& [part, moments] : layer.Named()) {
      for (size_t i = 0; i < (*moments)->mean.size(); ++i) {
        const double deviation = std::sqrt((*moments)->variance[i]);
        (*moments)->mean[i] +=
            deviation * double{stream.UniformSymmetric(1.0f)};
        (*moments)->variance[i] *=
            std::exp2(double{stream.UniformSymmetric(1.0f)});
      }
    }
  }
  return reference;
}

}  // namespace moe::align::testing
