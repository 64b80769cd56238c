// Prints the report pages of a small experiment, for tests which read them in a
// browser: a JSON object from what its lock says to the page.

#include <cstdio>
#include <optional>
#include <string>

#include "moe/base/json.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/report/experiment_report.h"
#include "moe/experiment/report/testing/small_experiment.h"

int main() {
  moe::experiment::testing::SmallExperiment experiment;
  moe::ExperimentLock other = experiment.Lock();
  other.mutable_steps(3)->mutable_files(0)->set_sha256(std::string(64, '0'));
  const auto page = [&](const std::optional<moe::ExperimentLock>& lock) {
    return moe::experiment::FormatReportPage(experiment.Report(lock));
  };
  moe::base::Json pages = moe::base::Json::object();
  pages["none"] = page(std::nullopt);
  pages["empty"] = page(moe::ExperimentLock());
  pages["differs"] = page(other);
  experiment.SetTiming("scores", 1.5);
  pages["verified"] = page(experiment.Lock());
  std::fputs(moe::base::FormatJson(pages).c_str(), stdout);
  return 0;
}
