#include "moe/experiment/experiment_result.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/progress.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/experiment/experiment_inputs.h"
#include "moe/experiment/experiment_lock.pb.h"
#include "moe/experiment/experiment_spec.pb.h"
#include "moe/experiment/text_proto.h"
#include "moe/kernels/numerics_contract.h"

namespace moe::experiment {
namespace {

using ::moe::base::testing::IsOk;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

FileDigest File(const std::string& name, char digit) {
  FileDigest file;
  file.set_name(name);
  file.set_bytes(3);
  file.set_sha256(std::string(64, digit));
  return file;
}

// A model, and two steps, the second of which has a metric.
ExperimentLock Lock() {
  ExperimentLock lock;
  lock.set_experiment("a");
  lock.set_numerics_contract(2);
  lock.set_spec_sha256(std::string(64, '1'));
  *lock.add_model() = File("config.json", '2');
  *lock.add_data() = File("text.jsonl", '3');
  StepLock& router = *lock.add_steps();
  router.set_name("router");
  router.set_command("hidden_clustering");
  router.add_arguments("--seed=1");
  *router.add_files() = File("gate_weights.safetensors", '4');
  StepLock& evaluation = *lock.add_steps();
  evaluation.set_name("dense");
  evaluation.set_command("evaluate");
  StepInputDigest& input = *evaluation.add_inputs();
  input.set_flag("model_path");
  input.set_from("tiny");
  input.set_sha256(std::string(64, '5'));
  Metric& metric = *evaluation.add_metrics();
  metric.set_name("loss");
  metric.set_number(1.5);
  return lock;
}

LockCheck Check(const ExperimentLock& pinned, const ExperimentLock& found) {
  absl::StatusOr<LockCheck> check = CheckLock(pinned, found);
  EXPECT_THAT(check, IsOk());
  return *check;
}

TEST(CheckLockTest, TheSameIsTheSame) {
  const LockCheck check = Check(Lock(), Lock());
  EXPECT_TRUE(check.Same());
  EXPECT_EQ(check.FirstDiverged(), "");
  EXPECT_THAT(check.LikelyCauses(), IsEmpty());
}

TEST(CheckLockTest, NamesTheFirstStepThatDiverged) {
  ExperimentLock found = Lock();
  *found.mutable_steps(0)->mutable_files(0) =
      File("gate_weights.safetensors", '6');
  found.mutable_steps(1)->mutable_metrics(0)->set_number(1.25);
  const LockCheck check = Check(Lock(), found);
  EXPECT_FALSE(check.Same());
  EXPECT_EQ(check.FirstDiverged(), "router");
  ASSERT_EQ(check.steps.size(), 2);
  ASSERT_EQ(check.steps[1].differences.size(), 1);
  EXPECT_EQ(check.steps[1].differences[0].what, "loss");
  EXPECT_EQ(check.steps[1].differences[0].pinned, "1.5");
  EXPECT_EQ(check.steps[1].differences[0].found, "1.25");
  EXPECT_THAT(check.LikelyCauses(),
              ElementsAre(HasSubstr("the program computes something else")));
}

TEST(CheckLockTest, SuspectsInputsFirstThenOptions) {
  ExperimentLock found = Lock();
  *found.mutable_data(0) = File("text.jsonl", '7');
  found.mutable_steps(0)->set_arguments(0, "--seed=2");
  const LockCheck check = Check(Lock(), found);
  EXPECT_EQ(check.FirstDiverged(), "router");
  EXPECT_TRUE(check.steps[0].differences.empty());
  EXPECT_THAT(check.LikelyCauses(),
              ElementsAre(HasSubstr("data file text.jsonl is not what was"),
                          HasSubstr("router has other arguments: --seed=2; "
                                    "pinned is --seed=1")));
}

TEST(CheckLockTest, NamesTheFirstThatReadOtherBytesWhereResultsAreTheSame) {
  ExperimentLock found = Lock();
  *found.mutable_model(0) = File("config.json", '8');
  found.mutable_steps(1)->mutable_inputs(0)->set_sha256(std::string(64, '8'));
  const LockCheck check = Check(Lock(), found);
  EXPECT_FALSE(check.Same());
  EXPECT_EQ(check.FirstDiverged(), "dense");
  EXPECT_TRUE(check.steps[1].read_other_bytes);
  EXPECT_THAT(check.LikelyCauses(),
              ElementsAre(HasSubstr("model file config.json")));
  // One that made something else comes first, wherever it stands.
  *found.add_steps() = Lock().steps(0);
  found.mutable_steps(2)->set_name("last");
  ExperimentLock pinned = Lock();
  *pinned.add_steps() = found.steps(2);
  found.mutable_steps(2)->clear_files();
  EXPECT_EQ(Check(pinned, found).FirstDiverged(), "last");
}

TEST(CheckLockTest, BytesOfEarlierStepsAreTheirOwnMatter) {
  ExperimentLock pinned = Lock();
  pinned.mutable_steps(1)->mutable_inputs(0)->set_from("router");
  ExperimentLock found = pinned;
  found.mutable_steps(1)->mutable_inputs(0)->set_sha256(std::string(64, '8'));
  EXPECT_TRUE(Check(pinned, found).steps[1].Same());
}

TEST(CheckLockTest, CountsEverythingThatIsPinned) {
  struct Change {
    std::string what;
    void (*make)(ExperimentLock&);
  };
  const Change changes[] = {
      {"contract", [](ExperimentLock& l) { l.set_numerics_contract(3); }},
      {"spec",
       [](ExperimentLock& l) { l.set_spec_sha256(std::string(64, '9')); }},
      {"model", [](ExperimentLock& l) { l.mutable_model(0)->set_bytes(4); }},
      {"more model",
       [](ExperimentLock& l) { *l.add_model() = File("b", '9'); }},
      {"less data", [](ExperimentLock& l) { l.clear_data(); }},
      {"command",
       [](ExperimentLock& l) { l.mutable_steps(0)->set_command("x"); }},
      {"input",
       [](ExperimentLock& l) {
         l.mutable_steps(1)->mutable_inputs(0)->set_from("router");
       }},
      {"less files",
       [](ExperimentLock& l) { l.mutable_steps(0)->clear_files(); }},
      {"more metrics",
       [](ExperimentLock& l) {
         l.mutable_steps(1)->add_metrics()->set_name("perplexity");
       }},
      {"more steps",
       [](ExperimentLock& l) { l.add_steps()->set_name("third"); }},
      {"less steps",
       [](ExperimentLock& l) { l.mutable_steps()->RemoveLast(); }},
  };
  for (const Change& change : changes) {
    ExperimentLock found = Lock();
    change.make(found);
    EXPECT_FALSE(Check(Lock(), found).Same()) << change.what;
  }
}

TEST(CheckLockTest, RefusesTheLockOfAnotherExperiment) {
  ExperimentLock other = Lock();
  other.set_experiment("b");
  EXPECT_THAT(CheckLock(Lock(), other).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected a lock of experiment \"b\"")));
}

TEST(ValidateExperimentLockTest, NamesTheField) {
  EXPECT_THAT(ValidateExperimentLock(Lock()), IsOk());
  EXPECT_THAT(ValidateExperimentLock(ExperimentLock()), IsOk());
  EXPECT_FALSE(IsPinned(ExperimentLock()));
  struct Mistake {
    std::string message;
    void (*make)(ExperimentLock&);
  };
  const Mistake mistakes[] = {
      {"numerics_contract: expected 1 or more, found 0",
       [](ExperimentLock& l) { l.clear_numerics_contract(); }},
      {"spec_sha256: expected 64 hexadecimal digits, found \"AB\"",
       [](ExperimentLock& l) { l.set_spec_sha256("AB"); }},
      {"model \"config.json\": sha256: expected 64 hexadecimal digits, found "
       "\"\"",
       [](ExperimentLock& l) { l.mutable_model(0)->clear_sha256(); }},
      {"data \"\": expected a name",
       [](ExperimentLock& l) { l.mutable_data(0)->clear_name(); }},
      {"bytes: expected 0 or more, found -1",
       [](ExperimentLock& l) { l.mutable_data(0)->set_bytes(-1); }},
      {"steps \"router\": expected each step once, found it twice",
       [](ExperimentLock& l) { l.mutable_steps(1)->set_name("router"); }},
      {"steps \"dense\": inputs \"model_path\": sha256",
       [](ExperimentLock& l) {
         l.mutable_steps(1)->mutable_inputs(0)->clear_sha256();
       }},
      {"steps \"dense\": metrics \"loss\": expected number",
       [](ExperimentLock& l) {
         l.mutable_steps(1)->mutable_metrics(0)->clear_number();
       }},
  };
  for (const Mistake& mistake : mistakes) {
    ExperimentLock lock = Lock();
    mistake.make(lock);
    EXPECT_THAT(ValidateExperimentLock(lock),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(mistake.message)));
  }
}

TEST(SpecDigestTest, LeavesTheDescriptionOut) {
  ExperimentSpec spec;
  spec.set_name("a");
  const std::string digest = SpecDigest(spec);
  spec.set_description("An experiment.");
  EXPECT_EQ(SpecDigest(spec), digest);
  spec.add_steps()->set_name("router");
  EXPECT_NE(SpecDigest(spec), digest);
}

class LockOfResultsTest : public ::testing::Test {
 protected:
  LockOfResultsTest() {
    directory_.Write("data/a.jsonl", "{}");
    spec_.set_name("a");
    spec_.add_datasets()->set_name("all");
    spec_.add_steps()->set_name("router");
    directory_.Write("made/router/gate_weights.safetensors", "abc");
    record_.set_numerics_contract(kernels::kNumericsContractVersion);
    record_.mutable_step()->set_name("router");
    *record_.mutable_step()->add_files() =
        DigestFile(directory_.Path("made/router"), "gate_weights.safetensors")
            .value();
  }

  absl::StatusOr<ExperimentLock> Read() {
    EXPECT_THAT(WriteTextProto(record_, "",
                               directory_.Path("made/router.record.textproto")),
                IsOk());
    ExperimentInputs inputs(
        {"testdata/llama_gqa_bf16", directory_.Path("data")}, progress_);
    return LockOfResults(spec_, directory_.Path("made"), inputs, progress_);
  }

  base::Progress progress_{base::Progress::Style::kSilent, {}};
  TempDirectory directory_;
  ExperimentSpec spec_;
  StepRecord record_;
};

TEST_F(LockOfResultsTest, HoldsInputsAndSteps) {
  MOE_ASSERT_OK_AND_ASSIGN(const ExperimentLock lock, Read());
  EXPECT_THAT(ValidateExperimentLock(lock), IsOk());
  EXPECT_EQ(lock.experiment(), "a");
  EXPECT_EQ(lock.numerics_contract(), kernels::kNumericsContractVersion);
  EXPECT_EQ(lock.spec_sha256(), SpecDigest(spec_));
  EXPECT_EQ(lock.model_size(), 7);
  EXPECT_EQ(lock.data(0).name(), "a.jsonl");
  EXPECT_EQ(FormatTextProto(lock.steps(0)), FormatTextProto(record_.step()));
}

TEST_F(LockOfResultsTest, ReadsWhatWasMadeAgain) {
  directory_.Write("made/router/gate_weights.safetensors", "abd");
  EXPECT_THAT(
      Read().status(),
      StatusIs(absl::StatusCode::kDataLoss,
               HasSubstr("router/gate_weights.safetensors: expected what "
                         "its step made")));
}

TEST_F(LockOfResultsTest, RefusesResultsOfAnotherContract) {
  record_.set_numerics_contract(kernels::kNumericsContractVersion + 1);
  EXPECT_THAT(Read().status(), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("numerics contract")));
}

}  // namespace
}  // namespace moe::experiment
