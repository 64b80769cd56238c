// What a step costs on this machine, beside what it made.

#ifndef MOE_EXPERIMENT_STEP_TIMING_H_
#define MOE_EXPERIMENT_STEP_TIMING_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "moe/experiment/step_timing.pb.h"

namespace moe {

// "DIR/router.timing.textproto", beside the directory "DIR/router".
std::string TimingPath(absl::string_view step_directory);

// Starts when it is made. The processor's time and the memory are those of the
// whole process, so steps are measured one after the other.
class StepStopwatch {
 public:
  StepStopwatch();

  // From the start to now. num_threads is what MOE_NUM_THREADS or the machine
  // gives, simd_target what kernels run on.
  StepTiming Read() const;

 private:
  absl::Time start_;
  double cpu_seconds_;
  bool has_peak_;
};

// Adds a part's time to that of the whole, which is `total`.
void AddPart(const StepTiming& part, StepTiming& total);

absl::Status WriteTiming(const StepTiming& timing, absl::string_view path);

// Nothing where there is no such file, or it cannot be read: what is lost with
// it is a number for people.
std::optional<StepTiming> ReadTiming(absl::string_view path);

}  // namespace moe

#endif  // MOE_EXPERIMENT_STEP_TIMING_H_
