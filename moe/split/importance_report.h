// What is worth knowing of importance scores beside the scores: as JSON and as
// a table.

#ifndef MOE_SPLIT_IMPORTANCE_REPORT_H_
#define MOE_SPLIT_IMPORTANCE_REPORT_H_

#include <string>

#include "moe/base/json.h"
#include "moe/checkpoint/artifact/importance_scores.h"
#include "moe/split/importance_sums.h"

namespace moe {

// {"num_clusters", "loss", "num_predicted_tokens", "layers": [{"layer",
// "token_counts", "empty_clusters", "mean_score", "max_score"}]}. "loss" is the
// mean cross entropy over all labels, "empty_clusters" are those that no token
// came to, whose scores are 0; the mean is over all clusters and neurons.
Json ImportanceReportToJson(const ImportanceSums& sums,
                            const ImportanceScores& scores);

// The loss, and a line for each layer: the least and the most tokens of a
// cluster, how many clusters are empty, and the mean and largest score.
std::string FormatImportanceReport(const ImportanceSums& sums,
                                   const ImportanceScores& scores);

}  // namespace moe

#endif  // MOE_SPLIT_IMPORTANCE_REPORT_H_
