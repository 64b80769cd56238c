#include "moe/convert/testing/export_case.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "moe/base/json.h"
#include "moe/base/progress.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/checkpoint.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/moe_config.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/convert/export_checkpoint.h"
#include "moe/convert/export_options.pb.h"
#include "moe/convert/testing/tiny_checkpoint.h"

namespace moe::convert::testing {

checkpoint::MoeConfig WithDenseEnds(int64_t residual) {
  checkpoint::MoeConfig config;
  if (residual > 0) config.intermediate_size_residual = residual;
  config.scale_factor = 2.0;
  config.num_moe_contract_layers = 1;
  return config;
}

namespace {

checkpoint::HostTensor Zeros(checkpoint::Dtype dtype, checkpoint::Shape shape) {
  const int64_t num_bytes = shape[0] * shape[1] * checkpoint::DtypeSize(dtype);
  return {dtype, shape, std::string(static_cast<size_t>(num_bytes), '\0')};
}

// Rows of heads of 4 in the order in which ERNIE rotates them.
checkpoint::HostTensor Neighbours(const checkpoint::HostTensor& from) {
  std::vector<int64_t> rows;
  for (int64_t head = 0; head < from.shape[0]; head += 4) {
    for (const int64_t row : {0, 2, 1, 3}) rows.push_back(head + row);
  }
  return Select(from, 0, rows);
}

}  // namespace

checkpoint::HostTensors WantedProjections(const checkpoint::HostTensors& moe,
                                          ExportOptions::Target target) {
  const bool is_ernie = target == ExportOptions::ERNIE4_5_MOE;
  checkpoint::HostTensors want;
  for (const auto& [name, tensor] : moe) {
    const std::string new_name = absl::StrReplaceAll(
        name, {{"block_sparse_moe.", "mlp."},
               {"mlp_residual.",
                is_ernie ? "mlp.shared_experts." : "mlp.shared_expert."},
               {"w1.weight", "gate_proj.weight"},
               {"w3.weight", "up_proj.weight"},
               {"w2.weight", "down_proj.weight"}});
    const bool is_down = absl::StrContains(name, "w2.weight");
    const bool is_doubled =
        is_down && (absl::StrContains(name, ".experts.") ||
                    (!is_ernie && absl::StrContains(name, "residual")));
    const bool is_rotated =
        absl::StrContains(name, "q_proj") || absl::StrContains(name, "k_proj");
    want[new_name] = is_doubled               ? Twice(tensor)
                     : is_ernie && is_rotated ? Neighbours(tensor)
                                              : tensor;
  }
  const std::string mlp = "model.layers.1.mlp.";
  if (is_ernie) {
    want[mlp + "moe_statics.e_score_correction_bias"] =
        Zeros(checkpoint::Dtype::kF32, {1, 4});
  } else {
    want[mlp + "shared_expert_gate.weight"] =
        Zeros(want.at(mlp + "gate.weight").dtype, {1, 16});
  }
  return want;
}

absl::StatusOr<ExportedCheckpoint> Export(
    const base::testing::TempDirectory& directory,
    ExportOptions::Target target) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::Checkpoint from,
                       checkpoint::Checkpoint::Open(directory.Path("moe")));
  base::ThreadPool pool(2);
  base::Progress progress(base::Progress::Style::kSilent, {});
  ExportOptions options;
  options.set_target(target);
  return ExportCheckpoint(from, options, {directory.Path("out")},
                          {pool, progress});
}

base::Json ExportedConfig(const base::testing::TempDirectory& directory) {
  return *base::ParseJsonObject(
      *base::ReadFile(directory.Path("out/config.json"), 1 << 20));
}

}  // namespace moe::convert::testing
