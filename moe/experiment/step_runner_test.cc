#include "moe/experiment/step_runner.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/step_plan.h"
#include "moe/experiment/step_timing.pb.h"
#include "moe/experiment/text_proto.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(StepStopwatchTest, MeasuresWhatRunsWhileItRuns) {
  const StepStopwatch stopwatch;
  absl::SleepFor(absl::Milliseconds(20));
  const absl::Time start = absl::Now();
  volatile double sum = 0;
  while (absl::Now() - start < absl::Milliseconds(60)) sum = sum + 1;
  const StepTiming timing = stopwatch.Read();
  EXPECT_GE(timing.wall_seconds(), 0.08);
  EXPECT_GT(timing.cpu_seconds(), 0);
  EXPECT_LT(timing.cpu_seconds(), timing.wall_seconds());
  EXPECT_GE(timing.num_threads(), 1);
  EXPECT_NE(timing.simd_target(), "");
  EXPECT_NE(timing.cpu(), "");
}

TEST(StepStopwatchTest, ForgetsTheMemoryOfWhatRanBefore) {
  constexpr size_t kBytes = size_t{256} << 20;
  const StepStopwatch first;
  { std::vector<char> memory(kBytes, 1); }
  const int64_t with = first.Read().peak_resident_bytes();
  if (with == 0) GTEST_SKIP() << "this system does not say";
  EXPECT_GE(with, static_cast<int64_t>(kBytes));
  EXPECT_LT(StepStopwatch().Read().peak_resident_bytes(), with);
}

TEST(AddPartTest, SumsTimesAndKeepsTheMostMemory) {
  StepTiming total;
  total.set_wall_seconds(1);
  total.set_cpu_seconds(2);
  total.set_peak_resident_bytes(30);
  StepTiming part;
  part.set_wall_seconds(10);
  part.set_cpu_seconds(20);
  part.set_peak_resident_bytes(40);
  AddPart(part, total);
  part.set_peak_resident_bytes(5);
  AddPart(part, total);
  EXPECT_EQ(total.wall_seconds(), 21);
  EXPECT_EQ(total.cpu_seconds(), 42);
  EXPECT_EQ(total.peak_resident_bytes(), 40);
  EXPECT_EQ(total.num_parts(), 2);
}

TEST(TimingFileTest, GivesBackWhatWasWritten) {
  const TempDirectory directory;
  const std::string path = TimingPath(directory.Path("router"));
  EXPECT_EQ(path, directory.Path("router.timing.textproto"));
  EXPECT_FALSE(ReadTiming(path).has_value());
  StepTiming timing;
  timing.set_wall_seconds(0.125);
  timing.set_cpu("a \"processor\"");
  ASSERT_THAT(WriteTiming(timing, path), IsOk());
  const std::optional<StepTiming> read = ReadTiming(path);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->wall_seconds(), 0.125);
  EXPECT_EQ(read->cpu(), timing.cpu());
}

TEST(TimingFileTest, OneThatCannotBeReadIsNone) {
  TempDirectory directory;
  EXPECT_FALSE(
      ReadTiming(directory.Write("broken", "wall_seconds: x")).has_value());
}

// A step of a kind that makes this, by seed 1.
steps::StepRequest RequestMaking(steps::OutputKind made) {
  for (const steps::StepKind& kind : steps::AllSteps()) {
    if (kind.made != made) continue;
    steps::StepRequest request = steps::NewRequest(kind);
    request.batch.set_seed(1);
    return request;
  }
  return {};
}

// Steps against a command that writes what it is told to.
class StepRunnerTest : public ::testing::Test {
 protected:
  StepRunnerTest() {
    directory_.Write("data/a.jsonl", "{}");
    gates_.set_name("router");
    StepRecord record;
    *record.mutable_step() = gates_;
    inputs_.AddStep("made/router", record);
  }

  std::string Made() const { return directory_.Path("made/scores"); }

  // Writes `contents` for each name below the directory that it is told.
  StepExecutor Writing(std::vector<std::string> names) {
    return [this, names](const steps::StepRequest& request) {
      words_ = steps::WordsOf(request);
      const std::string directory = Target(words_);
      for (const std::string& name : names) {
        const std::filesystem::path path = absl::StrCat(directory, "/", name);
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << contents_;
      }
      return absl::OkStatus();
    };
  }

  // Where the words say to write to.
  static std::string Target(const std::vector<std::string>& words) {
    for (absl::string_view word : words) {
      if (absl::ConsumePrefix(&word, "--save_path=")) return std::string(word);
      if (absl::ConsumePrefix(&word, "--report_out=")) {
        return base::SplitPath(word).parent;
      }
    }
    return "";
  }

  // The command's words, with the step's directory where they name the one
  // beside it.
  std::vector<std::string> Words() const {
    std::vector<std::string> words = words_;
    for (std::string& word : words) {
      word = absl::StrReplaceAll(word, {{Target(words_), Made()}});
    }
    return words;
  }

  // As a person does, some time after the step was made.
  void Change(const std::string& name) {
    const std::string path =
        directory_.Write(absl::StrCat("made/scores/", name), "abd");
    const auto later =
        std::filesystem::last_write_time(path) + std::chrono::seconds(1);
    std::filesystem::last_write_time(path, later);
  }

  void RemoveMade() {
    ASSERT_THAT(base::PosixFileSystem().RemoveAll(Made()), IsOk());
  }

  absl::StatusOr<StepRecord> Run() {
    return RunStep(step_, Made(), {inputs_, run_, progress_});
  }

  std::optional<StepRecord> Find() {
    const absl::StatusOr<StepLock> description = DescribeStep(step_, inputs_);
    EXPECT_THAT(description, IsOk());
    return FindFinishedStep(*description, Made(), progress_);
  }

  base::Progress progress_{base::Progress::Style::kSilent, {}};
  TempDirectory directory_;
  ExperimentInputs inputs_{{"testdata/llama_gqa_bf16", directory_.Path("data")},
                           progress_};
  StepLock gates_;
  PlannedStep step_ = {
      "scores",
      {{"model_path", InputSource::kModel, "tiny", ""},
       {"dataset_dir_or_path", InputSource::kData, "all", "a.jsonl"},
       {"gate_weights_file", InputSource::kStep, "router", "g.safetensors"}},
      RequestMaking(steps::OutputKind::kImportanceScores)};
  std::string contents_ = "abc";
  std::vector<std::string> words_;
  StepExecutor run_ = Writing(
      {"importance_scores.safetensors", "importance_scores.report.json"});
};

TEST_F(StepRunnerTest, RunsTheCommandAndRecordsWhatItMade) {
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord record, Run());
  EXPECT_THAT(Words(),
              ElementsAre("split_gradient_get_grads",
                          "--model_path=testdata/llama_gqa_bf16",
                          absl::StrCat("--dataset_dir_or_path=",
                                       directory_.Path("data/a.jsonl")),
                          "--gate_weights_file=made/router/g.safetensors",
                          "--chat_template=auto", "--seed=1",
                          absl::StrCat("--save_path=", Made())));
  ASSERT_EQ(record.step().files_size(), 1);
  EXPECT_EQ(record.step().files(0).name(), "importance_scores.safetensors");
  EXPECT_EQ(record.step().files(0).bytes(), 3);
  EXPECT_EQ(record.step().inputs_size(), 3);
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord written,
                           ReadTextProto<StepRecord>(RecordPath(Made())));
  EXPECT_EQ(FormatTextProto(written), FormatTextProto(record));
}

TEST_F(StepRunnerTest, GivesTheMemoryBudgetToStepsThatWalk) {
  const StepContext context = {inputs_, run_, progress_, "2GiB"};
  MOE_ASSERT_OK_AND_ASSIGN(steps::StepRequest request,
                           RequestOf(step_, "x", context));
  EXPECT_EQ(request.memory_budget, "2GiB");
  EXPECT_THAT(steps::WordsOf(request),
              ::testing::Contains("--memory_budget=2GiB"));
  step_.request = RequestMaking(steps::OutputKind::kNeuronIndices);
  MOE_ASSERT_OK_AND_ASSIGN(request, RequestOf(step_, "x", context));
  EXPECT_EQ(request.memory_budget, "");
}

TEST_F(StepRunnerTest, AStepIsDoneOnlyAfterWhatComesBeforeItsRecord) {
  StepContext context = {inputs_, run_, progress_};
  context.before_record = [&] {
    EXPECT_TRUE(base::PathExists(Made()));
    return absl::UnavailableError("no time");
  };
  EXPECT_THAT(RunStep(step_, Made(), context).status(),
              StatusIs(absl::StatusCode::kUnavailable, "no time"));
  EXPECT_FALSE(base::PathExists(RecordPath(Made())));
}

TEST_F(StepRunnerTest, RecognizesWhatIsThere) {
  EXPECT_FALSE(Find().has_value());
  ASSERT_THAT(Run(), IsOk());
  ASSERT_TRUE(Find().has_value());
  EXPECT_EQ(Find()->step().files_size(), 1);
}

TEST_F(StepRunnerTest, DoesNotTakeWhatIsNotTheSame) {
  ASSERT_THAT(Run(), IsOk());
  const PlannedStep step = step_;
  step_.request.batch.set_seed(2);
  EXPECT_FALSE(Find().has_value()) << "another argument";
  step_ = step;
  step_.inputs.pop_back();
  EXPECT_FALSE(Find().has_value()) << "another input";
  step_ = step;
  ASSERT_TRUE(Find().has_value());
  Change("importance_scores.report.json");
  EXPECT_FALSE(Find().has_value()) << "another report";
  RemoveMade();
  ASSERT_THAT(Run(), IsOk());
  Change("importance_scores.safetensors");
  EXPECT_FALSE(Find().has_value()) << "another file";
  RemoveMade();
  ASSERT_THAT(Run(), IsOk());
  std::filesystem::remove(Made() + "/importance_scores.safetensors");
  EXPECT_FALSE(Find().has_value()) << "a missing file";
  ASSERT_THAT(Run(), IsOk());
  directory_.Write("made/scores.record.textproto", "numerics_contract: ");
  EXPECT_FALSE(Find().has_value()) << "a record cut short";
}

TEST_F(StepRunnerTest, DoesNotTakeWhatAnotherContractMade) {
  MOE_ASSERT_OK_AND_ASSIGN(StepRecord record, Run());
  record.set_numerics_contract(record.numerics_contract() + 1);
  ASSERT_THAT(WriteTextProto(record, "", RecordPath(Made())), IsOk());
  EXPECT_FALSE(Find().has_value());
}

TEST_F(StepRunnerTest, ReplacesWhatAStepMadeAndItsRecord) {
  run_ = Writing({"importance_scores.safetensors",
                  "importance_scores.report.json", "left_over"});
  ASSERT_THAT(Run(), IsOk());
  run_ = Writing(
      {"importance_scores.safetensors", "importance_scores.report.json"});
  ASSERT_THAT(Run(), IsOk());
  EXPECT_FALSE(base::PathExists(Made() + "/left_over"));
  EXPECT_THAT(base::ListDirectory(directory_.Path("made")),
              IsOkAndHolds(ElementsAre("scores", "scores.record.textproto")));
}

TEST_F(StepRunnerTest, KeepsWhatItDidNotMake) {
  const auto refused = [&](absl::string_view message) {
    EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr(message)));
    EXPECT_THAT(words_, ::testing::IsEmpty()) << "the command has run";
  };
  directory_.Write("made/scores/thesis.tex", "x");
  refused("no record of one");
  EXPECT_TRUE(base::PathExists(Made() + "/thesis.tex"));
  RemoveMade();
  directory_.Write("made/scores.record.textproto", "my notes");
  refused("expected StepRecord as text");
  std::filesystem::remove(RecordPath(Made()));
  ASSERT_THAT(Run(), IsOk());
  words_.clear();
  Change("importance_scores.safetensors");
  refused("was changed");
  directory_.Write("made/scores/thesis.tex", "x");
  refused("also thesis.tex");
}

TEST_F(StepRunnerTest, AFailureLeavesWhatWasThere) {
  ASSERT_THAT(Run(), IsOk());
  run_ = [](const steps::StepRequest&) {
    return absl::InternalError("broken off");
  };
  EXPECT_THAT(Run(),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("broken off")));
  EXPECT_TRUE(Find().has_value());
}

TEST_F(StepRunnerTest, KeepsAwayFromModelAndData) {
  for (const std::string& directory :
       {directory_.Path("data"), directory_.Path("data/new"), directory_.path(),
        std::string("testdata/llama_gqa_bf16")}) {
    EXPECT_THAT(RunStep(step_, directory, {inputs_, run_, progress_}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("never written to")))
        << directory;
  }
}

TEST_F(StepRunnerTest, AModelThatChangesMeanwhileIsAnError) {
  const std::string model = directory_.Path("model");
  std::filesystem::copy("testdata/llama_gqa_bf16", model);
  StepRecord record;
  *record.mutable_step() = gates_;
  for (const char* name : {"config.json", "tokenizer.json", "LICENSE-new"}) {
    ExperimentInputs inputs({model, directory_.Path("data")}, progress_);
    inputs.AddStep("made/router", record);
    const StepExecutor change = [&](const steps::StepRequest& request) {
      std::ofstream(absl::StrCat(model, "/", name), std::ios::app) << " ";
      return run_(request);
    };
    EXPECT_THAT(RunStep(step_, Made(), {inputs, change, progress_}),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(name)));
    EXPECT_FALSE(base::PathExists(Made()));
    EXPECT_FALSE(base::PathExists(RecordPath(Made())));
  }
}

TEST_F(StepRunnerTest, RefusesACommandThatMadeNothing) {
  run_ = Writing({});
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("split_gradient_get_grads has not")));
}

TEST_F(StepRunnerTest, PinsBothRouterAndNeurons) {
  step_.request = RequestMaking(steps::OutputKind::kRouterAndNeurons);
  const std::vector<std::string> all = {
      "gate_weights.safetensors", "gate_weights.report.json",
      "neuron_indices.safetensors", "neuron_indices.report.json"};
  run_ = Writing(all);
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord record, Run());
  ASSERT_EQ(record.step().files_size(), 2);
  EXPECT_EQ(record.step().files(0).name(), "gate_weights.safetensors");
  EXPECT_EQ(record.step().files(1).name(), "neuron_indices.safetensors");
  EXPECT_EQ(record.reports_size(), 2);
  EXPECT_TRUE(Find().has_value());
  Change("neuron_indices.safetensors");
  EXPECT_FALSE(Find().has_value());
  RemoveMade();
  run_ = Writing({all[0], all[1]});
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("neuron_indices.safetensors")));
}

TEST_F(StepRunnerTest, PinsEveryFileOfACheckpoint) {
  step_.request = RequestMaking(steps::OutputKind::kCheckpoint);
  run_ = Writing({"model.safetensors", "config.json"});
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord record, Run());
  ASSERT_EQ(record.step().files_size(), 2);
  EXPECT_EQ(record.step().files(0).name(), "config.json");
  EXPECT_EQ(record.reports_size(), 0);
}

TEST_F(StepRunnerTest, PinsTheFilesOfACheckpointButNotItsReport) {
  const std::string report = "neuron_removal/neuron_removal.report.json";
  step_.request = RequestMaking(steps::OutputKind::kNarrowCheckpoint);
  run_ = Writing({"model.safetensors", report});
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord record, Run());
  ASSERT_EQ(record.step().files_size(), 1);
  ASSERT_EQ(record.reports_size(), 1);
  EXPECT_EQ(record.reports(0).name(), report);
}

TEST_F(StepRunnerTest, PinsTheFilesOfAReconstructedCheckpoint) {
  const std::string report = "reconstruction/reconstruction.report.json";
  step_.request = RequestMaking(steps::OutputKind::kReconstructedCheckpoint);
  run_ = Writing({"model.safetensors", "config.json", report});
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord record, Run());
  EXPECT_EQ(Words().back(), absl::StrCat("--report_out=", Made(), "/", report));
  ASSERT_EQ(record.step().files_size(), 2);
  EXPECT_EQ(record.step().files(0).name(), "config.json");
  EXPECT_EQ(record.step().files(1).name(), "model.safetensors");
  ASSERT_EQ(record.reports_size(), 1);
  EXPECT_EQ(record.reports(0).name(), report);
  EXPECT_TRUE(Find().has_value());
  Change("model.safetensors");
  EXPECT_FALSE(Find().has_value());
  RemoveMade();
  run_ = Writing({"model.safetensors", "config.json"});
  EXPECT_THAT(Run().status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(report)));
}

TEST_F(StepRunnerTest, PinsScaleFactorsBelowAnAlignedCheckpoint) {
  step_.request = RequestMaking(steps::OutputKind::kAlignedCheckpoint);
  run_ = Writing({"model.safetensors", "config.json",
                  "alignment/scale_factors.safetensors",
                  "alignment/scale_factors.report.json"});
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord record, Run());
  EXPECT_EQ(Words().back(),
            absl::StrCat("--scale_factors_path=", Made(), "/alignment"));
  ASSERT_EQ(record.step().files_size(), 3);
  EXPECT_EQ(record.step().files(0).name(), "config.json");
  EXPECT_EQ(record.step().files(1).name(), "model.safetensors");
  EXPECT_EQ(record.step().files(2).name(),
            "alignment/scale_factors.safetensors");
  ASSERT_EQ(record.reports_size(), 1);
  EXPECT_EQ(record.reports(0).name(), "alignment/scale_factors.report.json");
  EXPECT_TRUE(Find().has_value());
  Change("alignment/scale_factors.safetensors");
  EXPECT_FALSE(Find().has_value());
  RemoveMade();
  run_ = Writing({"model.safetensors", "config.json"});
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("alignment/scale_factors")));
}

TEST_F(StepRunnerTest, TakesWhatTheSameStepOfAnotherExperimentMade) {
  const StepContext context = {inputs_, run_, progress_};
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord made, Run());
  step_.name = "theirs";
  const std::string taken = directory_.Path("taken/theirs");
  MOE_ASSERT_OK_AND_ASSIGN(StepRecord record,
                           TakeStep(step_, Made(), taken, context));
  EXPECT_EQ(record.step().name(), "theirs");
  MOE_ASSERT_OK_AND_ASSIGN(const StepLock description,
                           DescribeStep(step_, inputs_));
  EXPECT_TRUE(FindFinishedStep(description, taken, progress_).has_value());
  record.mutable_step()->set_name("scores");
  EXPECT_EQ(FormatTextProto(record), FormatTextProto(made));
}

TEST_F(StepRunnerTest, DoesNotTakeWhatWasMadeOtherwise) {
  const StepContext context = {inputs_, run_, progress_};
  ASSERT_THAT(Run(), IsOk());
  const std::string taken = directory_.Path("taken");
  step_.request.batch.set_seed(2);
  EXPECT_THAT(TakeStep(step_, Made(), taken, context),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("expected what step \"scores\" makes"),
                             HasSubstr("--seed=1"), HasSubstr("--seed=2"))));
  EXPECT_FALSE(base::PathExists(taken));
  step_.request.batch.set_seed(1);
  Change("importance_scores.safetensors");
  EXPECT_THAT(TakeStep(step_, Made(), taken, context),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("expected what its step made")));
  EXPECT_FALSE(base::PathExists(RecordPath(taken)));
}

TEST_F(StepRunnerTest, PinsNumbersOfAnEvaluation) {
  step_.request = RequestMaking(steps::OutputKind::kEvaluation);
  contents_ = R"({"loss": 1.5, "perplexity": 4.5, "num_predicted_tokens": 7,
                  "losses_digest": "ab"})";
  run_ = Writing({"evaluation.report.json"});
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord record, Run());
  EXPECT_EQ(Words().back(),
            absl::StrCat("--report_out=", Made(), "/evaluation.report.json"));
  EXPECT_EQ(record.step().files_size(), 0);
  ASSERT_EQ(record.step().metrics_size(), 4);
  EXPECT_EQ(record.step().metrics(0).number(), 1.5);
  EXPECT_TRUE(Find().has_value());
}

TEST_F(StepRunnerTest, MakesPartsAndMergesThem) {
  const StepContext context = {inputs_, run_, progress_};
  ASSERT_THAT(RunStepShard(step_, {2, 1}, Made(), context), IsOk());
  EXPECT_THAT(words_, ::testing::Contains("--shards=2"));
  EXPECT_EQ(words_.back(), "--shard=1");
  EXPECT_FALSE(base::PathExists(RecordPath(Made())));
  MOE_ASSERT_OK_AND_ASSIGN(
      const StepRecord merged,
      MergeStepShards(step_, {"p/0", "p/1"}, Made(), context));
  EXPECT_THAT(Words(),
              ElementsAre("split_gradient_get_grads",
                          absl::StrCat("--save_path=", Made()), "--merge",
                          "p/0/importance_scores.part-0-of-2.safetensors",
                          "p/1/importance_scores.part-1-of-2.safetensors"));
  MOE_ASSERT_OK_AND_ASSIGN(const StepRecord whole, Run());
  EXPECT_EQ(FormatTextProto(merged), FormatTextProto(whole));
}

TEST_F(StepRunnerTest, RefusesPartsOfWhatCannotBeShared) {
  step_.request = RequestMaking(steps::OutputKind::kCheckpoint);
  const StepContext context = {inputs_, run_, progress_};
  EXPECT_THAT(RunStepShard(step_, {2, 1}, Made(), context),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected a step that can be shared out")));
  EXPECT_THAT(MergeStepShards(step_, {"a"}, Made(), context).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected a step that can be shared out")));
}

}  // namespace

}  // namespace moe::experiment
