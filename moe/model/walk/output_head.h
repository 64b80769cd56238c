// The last step of a walk: final norm, output embedding, and loss.
//
//   logits = RMSNorm(h) W^T
//   loss_t = CrossEntropy(logits_t, target_t)
//
// in the arithmetic of moe/kernels. W [V, H] is the output embedding: lm_head,
// or the input embedding if the two are tied. Logits are in memory for a few
// tokens at a time. The packed embedding is the model's, or belongs to this
// object. If the budget has no room for all of it, it is read and packed in
// blocks for every few tokens. No bit depends on this.

#ifndef MOE_MODEL_WALK_OUTPUT_HEAD_H_
#define MOE_MODEL_WALK_OUTPUT_HEAD_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/memory_budget.h"
#include "moe/base/thread_pool.h"
#include "moe/checkpoint/llama_config.h"
#include "moe/kernels/gemm/packed_matrix.h"
#include "moe/model/layer/linear.h"
#include "moe/model/walk/model.h"

namespace moe::model {

class OutputHead {
 public:
  // `passes` is kForward for logits and losses, kForwardAndBackward for
  // gradients, too. The errors of reading the final norm and, if all of it is
  // packed, the embedding; ResourceExhausted if the budget has less room than
  // LeastBytes: the logits of 16 tokens and a panel of the embedding. The
  // arguments must outlive the object.
  static absl::StatusOr<OutputHead> Create(Model& model, LayerPasses passes,
                                           base::MemoryBudget& budget,
                                           base::ThreadPool& pool);

  // The best number of tokens for a call: the object has room for so many.
  int64_t tokens_at_once() const { return tokens_at_once_; }

  // The smallest budget for which Create finds room.
  static int64_t LeastBytes(const checkpoint::LlamaConfig& config,
                            LayerPasses passes);

  // Says for messages which tokens the next rows are: those from `first_token`
  // on, where sequence i has the tokens [offsets[i], offsets[i + 1]). Without a
  // call, rows are those of one sequence from its start.
  void SetPlace(absl::Span<const int64_t> offsets, int64_t first_token) {
    offsets_ = offsets;
    first_token_ = first_token;
  }

  // Receives the logits [num_rows, V] of rows from first_row on. It may change
  // them.
  using LogitsTap = std::function<absl::Status(int64_t first_row,
                                               base::MatrixView<float> logits)>;

  // Passes the logits of `hidden` [num_tokens, H] to the tap, a few rows at a
  // time, ascending. Here and below: InvalidArgument, with sequence, position
  // and token of the vocabulary, for a logit that is NaN or infinite.
  absl::Status Logits(base::MatrixView<const float> hidden,
                      const LogitsTap& tap);

  // losses[t] is that of targets[t]; +0 for kIgnoredLabel.
  absl::Status Losses(base::MatrixView<const float> hidden,
                      absl::Span<const int32_t> targets,
                      absl::Span<float> losses);

  // The same. Also stores the gradient of sum_t scales[t] losses[t] with
  // respect to `hidden` in d_hidden, which may be `hidden`.
  absl::Status LossesAndGradient(base::MatrixView<const float> hidden,
                                 absl::Span<const int32_t> targets,
                                 absl::Span<const float> scales,
                                 absl::Span<float> losses,
                                 base::MatrixView<float> d_hidden);

 private:
  static constexpr int64_t kOneSequence[] = {0};

  OutputHead(Model& model, base::MemoryBudget& budget, base::ThreadPool& pool)
      : model_(model), budget_(budget), pool_(pool) {}

  absl::Status Plan(LayerPasses passes);
  absl::Status PlanBlocks(LayerPasses passes);
  absl::Status PackBlock(int64_t begin, int64_t end,
                         kernels::PackedMatrix& packed) const;
  absl::Status PackTransposedBlock(int64_t begin, int64_t end,
                                   kernels::PackedMatrix& packed) const;
  // logits = normed W^T.
  absl::Status Multiply(base::MatrixView<const float> normed,
                        base::MatrixView<float> logits) const;
  absl::Status CheckLogits(int64_t first_row,
                           base::MatrixView<const float> logits) const;
  // d_normed = d_logits W.
  absl::Status MultiplyBackward(base::MatrixView<const float> d_logits,
                                base::MatrixView<float> d_normed) const;

  Model& model_;
  base::MemoryBudget& budget_;
  base::ThreadPool& pool_;
  base::MemoryBudget::Reservation reservation_;
  std::vector<float> norm_;  // [H]
  float epsilon_ = 0.0f;
  int64_t tokens_at_once_ = 0;
  // All of the embedding, packed; null if it comes in blocks.
  const Linear* whole_ = nullptr;
  std::optional<Linear> own_;
  int64_t outputs_at_once_ = 0;   // Forward; a multiple of a panel.
  int64_t features_at_once_ = 0;  // Backward; a multiple of a panel.
  absl::Span<const int64_t> offsets_ = kOneSequence;
  int64_t first_token_ = 0;
};

}  // namespace moe::model

#endif  // MOE_MODEL_WALK_OUTPUT_HEAD_H_
