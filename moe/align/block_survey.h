// The moments of what a block puts out, gathered group by group.

#ifndef MOE_ALIGN_BLOCK_SURVEY_H_
#define MOE_ALIGN_BLOCK_SURVEY_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/align/block_alignment.h"
#include "moe/base/matrix.h"
#include "moe/base/thread_pool.h"
#include "moe/kernels/sums/moments.h"
#include "moe/model/layer/layer_batch.h"

namespace moe {

class BlockSurvey {
 public:
  BlockSurvey(int64_t hidden_size, bool has_residual);

  // Bytes of one, at most.
  static int64_t SizeBytes(int64_t hidden_size);

  // Groups come in ascending order, the first from token 0 on. The errors of
  // Moments.
  absl::Status Add(int64_t first_token, const BlockOutput& output,
                   ThreadPool& pool);
  // At the end, of one token at least. The sum r + y is that of the floats, as
  // a layer computes it.
  absl::StatusOr<BlockMoments> Finish();

 private:
  struct Residual {
    Moments residual;
    Moments sum;
    Matrix<float> buffer;  // Rows of the sum.
  };

  Moments routed_;
  std::optional<Residual> residual_;
};

}  // namespace moe

#endif  // MOE_ALIGN_BLOCK_SURVEY_H_
