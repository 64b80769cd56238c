#include "moe/steps/step_kind.h"

#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/gates/clustering_options.pb.h"
#include "moe/steps/all_steps.h"
#include "moe/steps/output_options.pb.h"

namespace moe::steps {
namespace {

using ::moe::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const StepKind& Kind(const std::string& name) {
  for (const StepKind& kind : AllSteps()) {
    if (kind.name == name) return kind;
  }
  ADD_FAILURE() << name;
  return AllSteps().front();
}

TEST(AllStepsTest, EachSaysWhatItIs) {
  std::set<std::string> names;
  for (const StepKind& kind : AllSteps()) {
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
    EXPECT_FALSE(kind.summary.empty()) << kind.name;
    EXPECT_FALSE(kind.notes.empty()) << kind.name;
    EXPECT_FALSE(kind.inputs.empty()) << kind.name;
    EXPECT_NE(kind.output, nullptr) << kind.name;
    EXPECT_NE(kind.run, nullptr) << kind.name;
    // What an experiment has, it estimates.
    EXPECT_EQ(kind.cost != nullptr, !kind.field.empty()) << kind.name;
    for (const StepInputKind& input : kind.inputs) {
      EXPECT_FALSE(input.what.empty()) << kind.name << " " << input.flag;
    }
  }
}

TEST(StepKindTest, AStepThatReadsADatasetDrawsByItsSeed) {
  EXPECT_TRUE(Walks(Kind("hidden_clustering")));
  EXPECT_TRUE(SharesSeed(Kind("hidden_clustering")));
  EXPECT_THAT(OptionsLeftOut(Kind("hidden_clustering")), ElementsAre("seed"));
  EXPECT_FALSE(Walks(Kind("split_random")));
  EXPECT_FALSE(SharesSeed(Kind("split_random")));
  EXPECT_FALSE(SharesSeed(Kind("evaluate")));
  EXPECT_THAT(OptionsLeftOut(Kind("split_sequential")), ElementsAre("seed"));
}

TEST(StepRequestTest, HasTheWordsOfItsCommand) {
  StepRequest request = NewRequest(Kind("split_gradient"));
  request.paths["score_file"] = "s";
  WriteTo("out", request);
  EXPECT_THAT(WordsOf(request),
              ElementsAre("split_gradient", "--score_file=s", "--num_experts=8",
                          "--criterion=max", "--save_path=out"));
  EXPECT_THAT(ArgumentsOf(request),
              ElementsAre("--num_experts=8", "--criterion=max"));
  request = NewRequest(Kind("get_hidden_distribution"));
  request.paths["model_path"] = "m";
  request.paths["dataset_dir_or_path"] = "d";
  request.batch.set_seed(3);
  request.memory_budget = "1GiB";
  request.shard.set_num_shards(2);
  request.shard.set_shard(1);
  WriteTo("out", request);
  EXPECT_THAT(WordsOf(request),
              ElementsAre("get_hidden_distribution", "--model_path=m",
                          "--dataset_dir_or_path=d", "--chat_template=auto",
                          "--seed=3", "--memory_budget=1GiB", "--save_path=out",
                          "--shards=2", "--shard=1"));
  request.merge = {"a", "b"};
  EXPECT_THAT(WordsOf(request),
              ElementsAre("get_hidden_distribution", "--save_path=out",
                          "--merge", "a", "b"));
}

TEST(StepRequestTest, WritesWhereAnExperimentLooks) {
  const auto words = [](const std::string& name) {
    StepRequest request = NewRequest(Kind(name));
    WriteTo("out", request);
    return WordsOf(request);
  };
  EXPECT_EQ(words("evaluate").back(),
            "--report_out=out/evaluation.report.json");
  EXPECT_EQ(words("convert_mixtral").back(), "--save_path=out");
  EXPECT_EQ(words("align_converted_model").back(),
            "--scale_factors_path=out/alignment");
  EXPECT_EQ(words("reconstruct_converted_model").back(),
            "--report_out=out/reconstruction/reconstruction.report.json");
  EXPECT_EQ(words("remove_neurons").back(),
            "--report_out=out/neuron_removal/neuron_removal.report.json");
}

TEST(OutputKindTest, RouterAndNeuronsAreTwoArtifacts) {
  constexpr OutputKind kBoth = OutputKind::kRouterAndNeurons;
  EXPECT_THAT(ArtifactsOf(kBoth),
              ElementsAre("gate_weights", "neuron_indices"));
  EXPECT_THAT(ArtifactsOf(OutputKind::kDistribution),
              ElementsAre("distribution"));
  EXPECT_THAT(ArtifactsOf(OutputKind::kCheckpoint), ElementsAre());
  EXPECT_THAT(ArtifactsOf(OutputKind::kEvaluation), ElementsAre());
  EXPECT_EQ(OutputFile(kBoth), "");
  EXPECT_TRUE(Provides(kBoth, OutputKind::kGateWeights));
  EXPECT_TRUE(Provides(kBoth, OutputKind::kNeuronIndices));
  EXPECT_FALSE(Provides(kBoth, OutputKind::kImportanceScores));
  EXPECT_FALSE(Provides(kBoth, OutputKind::kCheckpoint));
  EXPECT_FALSE(Provides(OutputKind::kGateWeights, kBoth));
  EXPECT_TRUE(Provides(OutputKind::kGateWeights, OutputKind::kGateWeights));
  EXPECT_FALSE(Provides(OutputKind::kGateWeights, OutputKind::kNeuronIndices));
  EXPECT_TRUE(
      Provides(OutputKind::kAlignedCheckpoint, OutputKind::kCheckpoint));
  EXPECT_TRUE(
      Provides(OutputKind::kReconstructedCheckpoint, OutputKind::kCheckpoint));
  EXPECT_FALSE(
      Provides(OutputKind::kReconstructedCheckpoint, OutputKind::kGateWeights));
  EXPECT_TRUE(Provides(OutputKind::kNarrowCheckpoint, OutputKind::kCheckpoint));
}

class RunRequestTest : public ::testing::Test {
 protected:
  RunRequestTest() {
    kind_.name = "probe";
    kind_.inputs = {
        {.flag = "dataset_dir_or_path", .source = StepInputKind::kDataset}};
    kind_.options = std::make_shared<ClusteringOptions>();
    kind_.output = std::make_shared<ArtifactOutput>();
  }

  absl::StatusOr<StepOutcome> Run() {
    StepRequest request = NewRequest(kind_);
    request.batch.set_seed(7);
    static_cast<ClusteringOptions&>(*request.options)
        .set_num_experts(num_experts_);
    base::Progress progress(base::Progress::Style::kSilent, {});
    return RunRequest(request, progress);
  }

  StepKind kind_;
  int num_experts_ = 4;
};

TEST_F(RunRequestTest, GivesTheStepTheDatasetsSeed) {
  int64_t seed = 0;
  kind_.run = [&](const StepRequest& request,
                  base::Progress&) -> absl::StatusOr<StepOutcome> {
    seed = request.OptionsAs<ClusteringOptions>().seed();
    return StepOutcome{};
  };
  EXPECT_THAT(Run().status(), StatusIs(absl::StatusCode::kOk));
  EXPECT_EQ(seed, 7);
}

TEST_F(RunRequestTest, ChecksOptionsBeforeItRuns) {
  num_experts_ = 0;
  kind_.run = [](const StepRequest&, base::Progress&) {
    return absl::StatusOr<StepOutcome>(absl::InternalError("was run"));
  };
  EXPECT_THAT(Run().status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("num_experts: expected 1 to 1024, found 0")));
}

TEST_F(RunRequestTest, MakesAStatusOfWhatIsThrown) {
  kind_.run = [](const StepRequest&,
                 base::Progress&) -> absl::StatusOr<StepOutcome> {
    throw std::runtime_error("out of text");
  };
  EXPECT_THAT(Run().status(),
              StatusIs(absl::StatusCode::kInternal, "out of text"));
}

}  // namespace
}  // namespace moe::steps
