// Datasets read in tests: on threads of the call's own, and without a word
// about progress.

#ifndef MOE_TEXT_DATASET_TESTING_RUN_DATASET_H_
#define MOE_TEXT_DATASET_TESTING_RUN_DATASET_H_

#include "absl/status/statusor.h"
#include "moe/base/progress.h"
#include "moe/base/thread_pool.h"
#include "moe/text/dataset/load_dataset.h"
#include "moe/text/dataset/tokenize_dataset.h"

namespace moe::text::testing {

inline absl::StatusOr<TokenizedDataset> RunTokenizeDataset(
    const TokenizeRequest& request, int num_threads = 2) {
  base::ThreadPool pool(num_threads);
  base::Progress progress(base::Progress::Style::kSilent, {});
  return TokenizeDataset(request, pool, progress);
}

inline absl::StatusOr<LoadedDataset> RunLoadDataset(
    const DatasetRequest& request, int num_threads = 2) {
  base::ThreadPool pool(num_threads);
  base::Progress progress(base::Progress::Style::kSilent, {});
  return LoadDataset(request, pool, progress);
}

}  // namespace moe::text::testing

#endif  // MOE_TEXT_DATASET_TESTING_RUN_DATASET_H_
