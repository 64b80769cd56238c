// Clusters points from a file, for scripts that compare with other programs.
//
//   cluster POINTS OPTIONS
//
// POINTS is a safetensors file with the tensor "points", F32
// [num_points, num_features]; OPTIONS a moe.ClusteringOptions as protobuf text.
// Prints a line of JSON: what the report of hidden_clustering says of a layer,
// its "seconds" without reading, and "centroids". MOE_NUM_THREADS is obeyed.

#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/text_format.h"
#include "moe/base/json.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/dtype.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/checkpoint/tensor.h"
#include "moe/gates/balanced_kmeans.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/gates/router_weights.h"
#include "moe/kernels/simd/simd_target.h"
#include "moe/model/walk/hidden_states.h"

namespace moe::tools {
namespace {

absl::StatusOr<model::HiddenStates> ReadPoints(const std::string& path,
                                               base::MemoryBudget& budget) {
  MOE_ASSIGN_OR_RETURN(const checkpoint::HostTensors tensors,
                       checkpoint::ReadSafetensorsFile(path));
  const auto found = tensors.find("points");
  if (found == tensors.end() ||
      found->second.dtype != checkpoint::Dtype::kF32 ||
      found->second.shape.size() != 2 || found->second.shape[1] == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": expected a tensor \"points\", F32, of rank 2, with a feature"));
  }
  const checkpoint::HostTensor& tensor = found->second;
  MOE_ASSIGN_OR_RETURN(
      model::HiddenStates points,
      model::HiddenStates::Create(tensor.shape[0], tensor.shape[1], budget,
                                  /*spill_directory=*/""));
  base::Matrix<float> buffer;
  const base::MatrixView<float> rows =
      points.Prepare(0, tensor.shape[0], buffer);
  std::memcpy(rows.data, tensor.bytes.data(), tensor.bytes.size());
  return points;
}

absl::Status Run(const std::string& path, const std::string& options_text) {
  ClusteringOptions options;
  if (!google::protobuf::TextFormat::ParseFromString(options_text, &options)) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a moe.ClusteringOptions: ", options_text));
  }
  MOE_RETURN_IF_ERROR(kernels::SimdTargetFromEnvironment().status());
  MOE_ASSIGN_OR_RETURN(const int num_threads,
                       base::NumThreadsFromEnvironment());
  base::ThreadPool pool(num_threads);
  base::MemoryBudget budget;
  MOE_ASSIGN_OR_RETURN(model::HiddenStates points, ReadPoints(path, budget));
  MOE_ASSIGN_OR_RETURN(
      const gates::ClusteringMemory memory,
      gates::ClusteringMemory::Reserve(
          {points.num_tokens(), points.hidden_size(), num_threads}, options,
          budget));
  const absl::Time start = absl::Now();
  MOE_ASSIGN_OR_RETURN(gates::Clustering clustering,
                       gates::ClusterBalanced(points, options, "cluster",
                                              {memory, pool, nullptr}));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  base::Json centroids = base::Json::array();
  const base::MatrixView<const float> rows = clustering.centroids.view();
  for (int64_t e = 0; e < rows.rows; ++e) {
    centroids.push_back(
        std::vector<float>(rows.Row(e).begin(), rows.Row(e).end()));
  }
  gates::HiddenClustering layer;
  layer.layers.push_back({std::move(clustering), seconds});
  base::Json json = gates::ClusteringReportToJson(options, layer)["layers"][0];
  json["centroids"] = std::move(centroids);
  std::cout << json.dump() << "\n";
  return absl::OkStatus();
}

}  // namespace
}  // namespace moe::tools

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: cluster POINTS OPTIONS\n";
    return 2;
  }
  const absl::Status status = moe::tools::Run(argv[1], argv[2]);
  if (status.ok()) return 0;
  std::cerr << "cluster: " << status.message() << "\n";
  return 2;
}
