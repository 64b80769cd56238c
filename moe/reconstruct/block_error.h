// The error of a block's outputs, relative to what they should be.

#ifndef MOE_RECONSTRUCT_BLOCK_ERROR_H_
#define MOE_RECONSTRUCT_BLOCK_ERROR_H_

#include "absl/types/span.h"
#include "moe/base/matrix_view.h"
#include "moe/base/thread_pool.h"

namespace moe::reconstruct {

class BlockError {
 public:
  // Adds rows [num_tokens, H]: what the outputs lack, and what they should be.
  // Calls with successive tokens continue the chains, so that groups of tokens
  // change no bit.
  void Add(base::MatrixView<const float> error,
           base::MatrixView<const float> wanted,
           absl::Span<const float> weights, base::ThreadPool& pool);

  // sqrt(sum w_t |error_t|^2 / sum w_t |wanted_t|^2), each sum over ascending t
  // in double; 0 if nothing is wanted.
  double relative() const;

 private:
  double error_ = 0.0;
  double wanted_ = 0.0;
};

}  // namespace moe::reconstruct

#endif  // MOE_RECONSTRUCT_BLOCK_ERROR_H_
