// What the sections of a report have in common: numbers, and the reports that
// the steps of an experiment wrote.

#ifndef MOE_EXPERIMENT_REPORT_REPORT_VALUES_H_
#define MOE_EXPERIMENT_REPORT_REPORT_VALUES_H_

#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/base/json.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {

// The number; "inf", "-inf" or "nan" where it is none that JSON has.
base::Json NumberToJson(double value);
// The other way. NaN for what is neither, null too.
double NumberOfJson(const base::Json& value);

// Four digits that count, and all before the point: "1.278", "22,462,800",
// "3.1e-08", "infinite", "not a number". The script of report_template.html has
// a function that gives the same.
std::string FormatNumber(double value);

// "gate_weights.report.json", below the step's directory; empty for a step that
// writes none.
std::string StepReportFile(steps::OutputKind kind);

// The report of the step of that name, whose results lie in RESULTS/STEP. An
// empty object for a step that writes none. Errors of reading and of JSON, with
// the path.
absl::StatusOr<base::Json> ReadStepReport(absl::string_view step,
                                          steps::OutputKind made,
                                          absl::string_view results);

// The objects of a list in a report. InvalidArgument, with the field, where it
// is not a list of objects; none where it is absent.
absl::StatusOr<std::vector<base::Json>> ObjectsIn(const base::Json& report,
                                                  absl::string_view field);

// Copies fields that are there, in this order.
void CopyFields(const base::Json& from,
                std::initializer_list<const char*> fields, base::Json& to);

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_REPORT_REPORT_VALUES_H_
