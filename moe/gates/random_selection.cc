#include "moe/gates/random_selection.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "moe/base/options/options.h"
#include "moe/base/philox.h"
#include "moe/base/status_macros.h"
#include "moe/checkpoint/artifact/gate_weights.h"
#include "moe/gates/gate_option_checks.h"
#include "moe/gates/mlp_inputs.h"
#include "moe/gates/random_selection_options.pb.h"
#include "moe/gates/routed_counts.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe {
namespace {

bool HasRow(const Matrix<float>& matrix, int64_t num_rows,
            absl::Span<const float> row) {
  for (int64_t r = 0; r < num_rows; ++r) {
    if (matrix.Row(r) == row) return true;
  }
  return false;
}

// Fills `rows` with different rows of `inputs`, and gives their numbers.
absl::StatusOr<std::vector<int64_t>> DrawRows(HiddenStates& inputs,
                                              RandomStream stream,
                                              Matrix<float>& rows) {
  std::vector<int64_t> order(static_cast<size_t>(inputs.num_tokens()));
  std::iota(order.begin(), order.end(), int64_t{0});
  Shuffle(stream, absl::MakeSpan(order));
  std::vector<int64_t> tokens;
  Matrix<float> buffer;
  for (const int64_t token : order) {
    const auto count = static_cast<int64_t>(tokens.size());
    if (count == rows.rows()) break;
    MOE_ASSIGN_OR_RETURN(const MatrixView<const float> view,
                         inputs.Load(token, token + 1, buffer));
    const absl::Span<const float> row = view.Row(0);
    if (HasRow(rows, count, row)) continue;
    std::copy(row.begin(), row.end(), rows.Row(count).begin());
    tokens.push_back(token);
  }
  if (static_cast<int64_t>(tokens.size()) < rows.rows()) {
    return absl::InvalidArgumentError(
        absl::StrCat(inputs.num_tokens(), " tokens have only ", tokens.size(),
                     " different hidden states, and num_experts is ",
                     rows.rows(), "; use more text"));
  }
  return tokens;
}

}  // namespace

absl::StatusOr<RandomSelection> SelectHiddenStates(
    DenseModel& model, const TokenSequences& sequences,
    const RandomSelectionOptions& options, const WalkOptions& walk_options,
    const WalkResources& resources) {
  MOE_RETURN_IF_ERROR(CheckOptions(options));
  MOE_RETURN_IF_ERROR(
      CheckEnoughTokens(sequences.num_tokens(), options.num_experts()));
  RandomSelection selection;
  const auto select = [&](int64_t layer, HiddenStates& inputs) -> absl::Status {
    const absl::Time start = absl::Now();
    SelectedLayer selected;
    Matrix<float> rows(options.num_experts(), inputs.hidden_size());
    MOE_ASSIGN_OR_RETURN(
        selected.tokens,
        DrawRows(inputs,
                 RandomStream(static_cast<uint64_t>(options.seed()),
                              absl::StrCat("random_selection/layer/", layer)),
                 rows));
    MOE_ASSIGN_OR_RETURN(selected.routed_counts,
                         RoutedCounts(inputs, rows.view(), resources.pool));
    selected.elapsed_sec = absl::ToDoubleSeconds(absl::Now() - start);
    selection.layers.push_back(std::move(selected));
    selection.gate_weights.layers.push_back(std::move(rows));
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(
      ForEachMlpInputs(model, sequences, walk_options, resources, select));
  return selection;
}

}  // namespace moe
