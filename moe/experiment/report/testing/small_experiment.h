// Results of an experiment as they lie on disk, with reports whose numbers a
// test knows.

#ifndef MOE_EXPERIMENT_REPORT_SMALL_EXPERIMENT_TEST_HELPER_H_
#define MOE_EXPERIMENT_REPORT_SMALL_EXPERIMENT_TEST_HELPER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"

namespace moe::experiment::testing {

// Router, scores, neurons, mlp, reference, aligned, and evaluations of the
// dense model, of mlp and of aligned, on one dataset.
class SmallExperiment {
 public:
  // Writes everything.
  SmallExperiment();

  // Writes a step's result anew, with this report.
  void SetReport(const std::string& step, absl::string_view report);
  void SetEvaluation(const std::string& step, double loss, double perplexity);
  void SetTiming(const std::string& step, double seconds);
  // The lock of all steps, as their records have them; the model's and the
  // data's files are those that steps read.
  ExperimentLock Lock() const;
  // ExperimentReportToJson.
  base::Json Report(const std::optional<ExperimentLock>& pinned) const;

  ExperimentSpec& spec() { return spec_; }
  std::string results() const { return directory_.path(); }

 private:
  void WriteStep(const ExperimentStep& step, absl::string_view report,
                 const std::vector<Metric>& metrics);

  base::testing::TempDirectory directory_;
  ExperimentSpec spec_;
};

}  // namespace moe::experiment::testing

#endif  // MOE_EXPERIMENT_REPORT_SMALL_EXPERIMENT_TEST_HELPER_H_
