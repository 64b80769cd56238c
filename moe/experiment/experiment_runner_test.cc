#include "moe/experiment/experiment_runner.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/file_system.h"
#include "moe/base/progress.h"
#include "moe/base/sha256.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/text_proto.h"
#include "moe/steps/step_kind.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::string_view kSpec = R"pb(
  name: "chain"
  model: "tiny"
  data: "stories"
  datasets { name: "all" }
  steps {
    name: "router"
    hidden_clustering {
      dataset: "all"
      options { num_experts: 8 }
    }
  }
  steps {
    name: "scores"
    neuron_importance { dataset: "all" gate_weights: "router" }
  }
  steps {
    name: "neurons"
    split {
      importance_scores: "scores"
      options { num_experts: 8 }
    }
  }
)pb";

// The experiment with commands whose result is a digest of their words, but
// for where they write.
class ExperimentRunnerTest : public ::testing::Test {
 protected:
  ExperimentRunnerTest() {
    directory_.Write("data/a.jsonl", "{}");
    EXPECT_THAT(ParseTextProto(kSpec, "spec", spec_), IsOk());
  }

  absl::Status RunCommand(const std::vector<std::string>& words) {
    commands_.push_back(words[0]);
    if (static_cast<int>(commands_.size()) == fails_at_) {
      return absl::InternalError("broken off");
    }
    const std::string save_path =
        words.back().substr(words.back().find('=') + 1);
    const std::string name = words[0] == "hidden_clustering" ? "gate_weights"
                             : words[0] == "split_gradient"
                                 ? "neuron_indices"
                                 : "importance_scores";
    const std::string bytes =
        base::HexSha256Of(absl::StrJoin(words.begin(), words.end() - 1, " "));
    std::filesystem::create_directories(save_path);
    std::ofstream(absl::StrCat(save_path, "/", name, ".safetensors")) << bytes;
    std::ofstream(absl::StrCat(save_path, "/", name, ".report.json")) << "{}";
    return absl::OkStatus();
  }

  absl::StatusOr<ExperimentLock> Run() {
    commands_.clear();
    events_.clear();
    return RunExperiment(
        spec_,
        {{"testdata/llama_gqa_bf16", directory_.Path("data")},
         directory_.Path("out")},
        [this](const steps::StepRequest& request) {
          return RunCommand(steps::WordsOf(request));
        },
        [this](const StepEvent& event) {
          events_.push_back(absl::StrCat(event.number, "/", event.num_steps,
                                         " ", event.step.name,
                                         event.record == nullptr ? ""
                                         : event.was_there       ? " there"
                                                                 : " made"));
        },
        progress_);
  }

  base::Progress progress_{base::Progress::Style::kSilent, {}};
  TempDirectory directory_;
  ExperimentSpec spec_;
  int fails_at_ = 0;
  std::vector<std::string> commands_;
  std::vector<std::string> events_;
};

TEST_F(ExperimentRunnerTest, RunsStepsInOrderAndWritesTheLock) {
  MOE_ASSERT_OK_AND_ASSIGN(const ExperimentLock lock, Run());
  EXPECT_THAT(events_, ElementsAre("1/3 router", "1/3 router made",
                                   "2/3 scores", "2/3 scores made",
                                   "3/3 neurons", "3/3 neurons made"));
  ASSERT_EQ(lock.steps_size(), 3);
  MOE_ASSERT_OK_AND_ASSIGN(
      const ExperimentLock written,
      ReadTextProto<ExperimentLock>(directory_.Path("out/lock.textproto")));
  EXPECT_EQ(FormatTextProto(written), FormatTextProto(lock));
}

TEST_F(ExperimentRunnerTest, SkipsWhatIsThere) {
  MOE_ASSERT_OK_AND_ASSIGN(const ExperimentLock first, Run());
  MOE_ASSERT_OK_AND_ASSIGN(const ExperimentLock second, Run());
  EXPECT_THAT(commands_, IsEmpty());
  EXPECT_THAT(events_, ::testing::Contains("2/3 scores there"));
  EXPECT_EQ(FormatTextProto(first), FormatTextProto(second));
}

TEST_F(ExperimentRunnerTest, GoesOnWhereItWasBrokenOff) {
  MOE_ASSERT_OK_AND_ASSIGN(const ExperimentLock unbroken, Run());
  ASSERT_THAT(base::PosixFileSystem().RemoveAll(directory_.Path("out")),
              IsOk());
  fails_at_ = 2;
  EXPECT_THAT(Run().status(), StatusIs(absl::StatusCode::kInternal,
                                       AllOf(HasSubstr("step \"scores\""),
                                             HasSubstr("broken off"))));
  fails_at_ = 0;
  MOE_ASSERT_OK_AND_ASSIGN(const ExperimentLock lock, Run());
  EXPECT_THAT(commands_,
              ElementsAre("split_gradient_get_grads", "split_gradient"));
  EXPECT_EQ(FormatTextProto(lock), FormatTextProto(unbroken));
}

TEST_F(ExperimentRunnerTest, RunsAgainWhatAChangeReaches) {
  ASSERT_THAT(Run(), IsOk());
  spec_.mutable_steps(2)->mutable_split()->mutable_options()->set_criterion(
      SplitCriterion::MIN);
  ASSERT_THAT(Run(), IsOk());
  EXPECT_THAT(commands_, ElementsAre("split_gradient"));
  // Data that have changed reach the router, whose words are the same and whose
  // result therefore is; so what follows from it stays, but for the scores,
  // which read the data.
  directory_.Write("data/a.jsonl", "{ }");
  ASSERT_THAT(Run(), IsOk());
  EXPECT_THAT(commands_,
              ElementsAre("hidden_clustering", "split_gradient_get_grads"));
}

TEST_F(ExperimentRunnerTest, KeepsOffDirectoriesOfSomethingElse) {
  directory_.Write("out/precious", "x");
  EXPECT_THAT(Run().status(), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("found other files and no")));
  ASSERT_THAT(base::PosixFileSystem().RemoveAll(directory_.Path("out")),
              IsOk());
  ASSERT_THAT(Run(), IsOk());
  spec_.set_name("other");
  EXPECT_THAT(Run().status(), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("found those of \"chain\"")));
}

TEST_F(ExperimentRunnerTest, AsksBeforeItRunsWhetherEveryStepCanWrite) {
  ASSERT_THAT(Run(), IsOk());
  ASSERT_THAT(base::PosixFileSystem().RemoveAll(directory_.Path("out/router")),
              IsOk());
  ASSERT_THAT(base::PosixFileSystem().RemoveAll(
                  directory_.Path("out/router.record.textproto")),
              IsOk());
  ASSERT_THAT(base::PosixFileSystem().RemoveAll(
                  directory_.Path("out/neurons.record.textproto")),
              IsOk());
  directory_.Write("out/neurons/thesis.tex", "x");
  EXPECT_THAT(Run().status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("thesis.tex")));
  EXPECT_THAT(commands_, IsEmpty());
}

TEST_F(ExperimentRunnerTest, OneRunAtATime) {
  ASSERT_THAT(Run(), IsOk());
  MOE_ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<base::PathLock> lock,
      base::PosixFileSystem().TryLock(directory_.Path("out")));
  EXPECT_THAT(Run().status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("another run")));
}

TEST_F(ExperimentRunnerTest, ChecksTheSpecBeforeItWrites) {
  spec_.add_criteria()->set_metric("router.loss");
  EXPECT_THAT(Run().status(), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("criteria[0]")));
  EXPECT_FALSE(base::PathExists(directory_.Path("out")));
}

}  // namespace
}  // namespace moe::experiment
