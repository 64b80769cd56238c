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

namespace moe::testing {

void WriteFixtureAsF32(absl::string_view name, absl::string_view directory) {
  std::filesystem::create_directories(std::string(directory));
  const std::string from = MoeFixturePath(name);
  const std::string config =
      ReadFile(absl::StrCat(from, "/config.json"), 1 << 20).value();
  HostTensors tensors =
      ReadSafetensorsFile(absl::StrCat(from, "/model.safetensors")).value();
  for (auto& [tensor_name, tensor] : tensors) {
    const std::vector<float> values = ToFloats(tensor);
    tensor.dtype = Dtype::kF32;
    tensor.bytes.resize(values.size() * sizeof(float));
    std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  }
  MOE_CHECK(WriteFileAtomically(
                absl::StrCat(directory, "/config.json"),
                /*overwrite=*/true,
                [&](WritableFile& file) { return file.Append(config); })
                .ok());
  MOE_CHECK(WriteSafetensorsFile(absl::StrCat(directory, "/model.safetensors"),
                                 tensors, {{"format", "pt"}},
                                 /*overwrite=*/true)
                .ok());
}

TokenSequences ManySequences(absl::string_view name) {
  const TokenSequences three = GoldenSequences(MoeGoldens(name));
  const auto ids = three.input_ids(2);
  TokenSequences many;
  for (size_t s = 0; s < 40; ++s) {
    const size_t length = 2 + (s * 17) % 47;
    const auto part = ids.subspan((s * 5) % (ids.size() - length + 1), length);
    many.Append(part, part);
  }
  return many;
}

Distribution DistributionOf(absl::string_view directory,
                            const TokenSequences& sequences) {
  WalkMachine machine;
  Model model = Model::Open(directory).value();
  return SumHiddenDistribution(model, sequences, {}, {}, machine.resources())
      .value()
      .ToDistribution()
      .value();
}

Distribution MovedReference(const Distribution& from) {
  RandomStream stream(/*seed=*/9, "reference");
  Distribution reference = from;
  for (LayerParts<FeatureMoments>& layer : reference.layers) {
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

}  // namespace moe::testing
