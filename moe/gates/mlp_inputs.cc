#include "moe/gates/mlp_inputs.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "moe/base/matrix.h"
#include "moe/base/matrix_view.h"
#include "moe/base/status_macros.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/model/layer/top_expert.h"
#include "moe/model/walk/dense_model.h"
#include "moe/model/walk/dense_walk.h"
#include "moe/model/walk/hidden_states.h"
#include "moe/model/walk/walk_options.h"
#include "moe/model/walk/walk_tap.h"
#include "moe/text/dataset/token_sequences.h"

namespace moe::gates {
namespace {

using LayerBody =
    absl::FunctionRef<absl::Status(int64_t, model::HiddenStates&)>;

class MlpInputTap : public model::WalkTap {
 public:
  MlpInputTap(int64_t num_tokens, int64_t hidden_size,
              const model::WalkOptions& options, base::MemoryBudget& budget,
              LayerBody body)
      : num_tokens_(num_tokens),
        hidden_size_(hidden_size),
        options_(options),
        budget_(budget),
        body_(body) {}

  // Reserves memory only here, after the walk has reserved its own.
  absl::Status OnLayerStart(int64_t) override {
    if (inputs_.has_value()) return absl::OkStatus();
    MOE_ASSIGN_OR_RETURN(
        inputs_, model::HiddenStates::Create(num_tokens_, hidden_size_, budget_,
                                             options_.spill_directory));
    return absl::OkStatus();
  }

  absl::Status OnMlpInput(const model::TapContext& context,
                          base::MatrixView<const float> rows) override {
    return inputs_->StoreCopy(context.group.first_token, rows, buffer_);
  }

  absl::Status OnLayerEnd(int64_t layer) override {
    return base::Annotate(body_(layer, *inputs_),
                          absl::StrCat("layer ", layer));
  }

 private:
  const int64_t num_tokens_;
  const int64_t hidden_size_;
  const model::WalkOptions& options_;
  base::MemoryBudget& budget_;
  const LayerBody body_;
  std::optional<model::HiddenStates> inputs_;
  base::Matrix<float> buffer_;
};

}  // namespace

absl::Status ForEachMlpInputs(model::DenseModel& model,
                              const text::TokenSequences& sequences,
                              const model::WalkOptions& options,
                              const model::WalkResources& resources,
                              LayerBody body) {
  MlpInputTap tap(sequences.num_tokens(), model.config().hidden_size, options,
                  resources.budget, body);
  return model::WalkForward(model, sequences, options, &tap, resources)
      .status();
}

absl::StatusOr<std::vector<int64_t>> RoutedCounts(
    model::HiddenStates& points, base::MatrixView<const float> router,
    base::ThreadPool& pool) {
  constexpr int64_t kRowsAtOnce = 1024;  // Enough for a fast product.
  std::vector<int64_t> counts(static_cast<size_t>(router.rows));
  const kernels::PackedMatrix packed =
      kernels::PackedMatrix::Pack(router, pool);
  std::vector<int32_t> experts(
      static_cast<size_t>(std::min(kRowsAtOnce, points.num_tokens())));
  base::Matrix<float> buffer;
  const auto count = [&](int64_t first,
                         base::MatrixView<const float> rows) -> absl::Status {
    const absl::Span<int32_t> chosen =
        absl::MakeSpan(experts).first(static_cast<size_t>(rows.rows));
    MOE_RETURN_IF_ERROR(model::TopExperts(rows, packed, first, chosen, pool));
    for (const int32_t e : chosen) ++counts[static_cast<size_t>(e)];
    return absl::OkStatus();
  };
  MOE_RETURN_IF_ERROR(points.ForEachBlock(kRowsAtOnce, buffer, count));
  return counts;
}

absl::Status CheckEnoughTokens(int64_t num_tokens, int64_t num_experts) {
  if (num_tokens >= num_experts) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("num_experts: expected at most ", num_tokens,
                   ", the number of tokens, found ", num_experts,
                   "; use more text or fewer experts"));
}

}  // namespace moe::gates
