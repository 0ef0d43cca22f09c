// Supervision with small scripts in the places of the tools: each test says which child does what.
#include "pipeline/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <sstream>

namespace trickle::pipeline {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

size_t descriptors_in_use() {
  size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++n;
  return n;
}

class ChainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/chain.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    descriptors_before_ = descriptors_in_use();
    program("trickle-sub", "cat \"$DIR/in\"");
    program("trickle-fx", "cat");
    program("trickle-pub", "cat >> \"$DIR/out\"");
    write_input("hello\n");
    options_.program_directory = directory_;
    options_.stop_deadline = 20s;
    options_.sink_grace = 20s;
    io_.emplace();
  }

  void TearDown() override {
    chain_.reset();
    if (io_) {
      io_->restart();
      io_->run_for(20s);
      io_.reset();
    }
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child was left behind";
    EXPECT_EQ(descriptors_in_use(), descriptors_before_) << "a descriptor leaked";
    std::filesystem::remove_all(directory_);
  }

  // $RUN is 1 at the first start and 2 after a restart; $CONTROL is the number of the control descriptor.
  void program(const std::string& name, const std::string& script) {
    const auto path = directory_ / name;
    std::ofstream(path)
        << "#!/bin/bash\n"
        << "while (($#)); do case $1 in --control) CONTROL=${2#fd:};; --stats) STATS=${2#fd:};;\n"
        << "--timeline) TIMELINE=${2#fd:};;\n"
        << "esac; shift; done\n"
        << "trap '' PIPE\n"  // As the tools do: a closed output is a quiet end.
        << script << "\nexit 0\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }

  void write_input(const std::string& text) { std::ofstream(directory_ / "in") << text; }
  std::string output() const {
    std::ostringstream text;
    text << std::ifstream(directory_ / "out").rdbuf();
    return text.str();
  }

  std::vector<StagePlan> plan(bool restarted) const {
    std::vector<StagePlan> stages;
    for (const auto& [name, role] : roles_) {
      StagePlan stage;
      stage.program = name;
      stage.role = role;
      stage.environment = {{"DIR", directory_.string()}, {"RUN", restarted ? "2" : "1"}};
      stage.has_control = role == StageRole::kFilter;
      stage.has_timeline = role == StageRole::kFilter;
      stages.push_back(stage);
    }
    return stages;
  }

  void start() {
    ChainCallbacks callbacks;
    callbacks.on_restart = [this](const std::string& reason) {
      restart_reasons_.push_back(reason);
      if (on_restart_) on_restart_();
    };
    callbacks.on_numbers = [this] {
      if (on_numbers_) on_numbers_();
    };
    callbacks.on_end = [this](const ChainEnd& end) {
      end_ = end;
      io_->stop();
    };
    chain_.emplace(
        *io_, [this](bool restarted) { return plan(restarted); }, options_, callbacks, *clock_in_use_);
    chain_->start();
  }

  void run_to_the_end() {
    if (!chain_) start();
    io_->run_for(60s);
    ASSERT_TRUE(end_) << "the chain did not end";
  }

  // Runs until the file exists: scripts touch one to say how far they are.
  void run_until_touched(const std::string& name) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!std::filesystem::exists(directory_ / name)) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << name << " never came";
      io_->run_for(5ms);
    }
  }

  std::filesystem::path directory_;
  size_t descriptors_before_ = 0;
  std::vector<std::pair<std::string, StageRole>> roles_{{"trickle-sub", StageRole::kSource},
                                                        {"trickle-fx", StageRole::kFilter},
                                                        {"trickle-pub", StageRole::kSink}};
  ChainOptions options_;
  FakeClock clock_;
  const Clock* clock_in_use_ = &clock_;
  std::optional<boost::asio::io_context> io_;
  std::optional<Chain> chain_;
  std::optional<ChainEnd> end_;
  std::vector<std::string> restart_reasons_;
  std::function<void()> on_restart_, on_numbers_;
};

TEST_F(ChainTest, DrainsToTheEndWhenTheInputEnds) {
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kEndOfInput);
  EXPECT_EQ(output(), "hello\n");
  EXPECT_EQ(chain_->restarts(), 0u);
}

class ChainKillTest : public ChainTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(ChainKillTest, RestartsAllStagesWhenThisOneIsKilled) {
  const std::string victim = GetParam();
  const std::string die = "[ $RUN = 1 ] && read line && { kill -9 $$; }\n";
  program("trickle-sub", victim == "trickle-sub" ? "[ $RUN = 1 ] && kill -9 $$; cat \"$DIR/in\""
                                                 : "cat \"$DIR/in\"; [ $RUN = 1 ] && exec sleep 1000");
  program("trickle-fx", (victim == "trickle-fx" ? die : "") + "cat");
  program("trickle-pub", (victim == "trickle-pub" ? die : "") + "[ $RUN = 2 ] && cat >> \"$DIR/out\" || cat");
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kEndOfInput);
  EXPECT_EQ(output(), "hello\n");
  ASSERT_EQ(restart_reasons_.size(), 1u);
  EXPECT_EQ(restart_reasons_[0], victim + " was killed by signal 9 (Killed)");
}

INSTANTIATE_TEST_SUITE_P(EachStage, ChainKillTest,
                         ::testing::Values("trickle-sub", "trickle-fx", "trickle-pub"),
                         [](const auto& victim) { return std::string(victim.param).substr(8); });

TEST_F(ChainTest, LetsTheSinkDeliverWhatItHoldsBeforeARestart) {
  program("trickle-sub", "[ $RUN = 1 ] && { echo first; exec sleep 1000; }; echo second");
  program("trickle-fx", "[ $RUN = 1 ] && { read line; echo $line; kill -9 $$; }; cat");
  run_to_the_end();
  EXPECT_EQ(output(), "first\nsecond\n");
}

TEST_F(ChainTest, WhatAStageLeavesInItsTimelineIsThereForTheNextRun) {
  program(
      "trickle-fx",
      "T=/proc/self/fd/$TIMELINE; if [ $RUN = 1 ]; then printf 'so far ' >$T; kill -9 $$; fi; cat $T; cat");
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kEndOfInput);
  EXPECT_EQ(output(), "so far hello\n");
}

TEST_F(ChainTest, FailsAfterThreeRestartsIn120Seconds) {
  program("trickle-fx", "kill -9 $$");
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kFailed);
  EXPECT_EQ(restart_reasons_.size(), 3u);
  EXPECT_THAT(end_->error, HasSubstr("trickle-fx was killed by signal 9"));
  EXPECT_THAT(end_->error, HasSubstr("3 restarts in 120 s are used up"));
}

TEST_F(ChainTest, RestartsForEverWhenFailuresAreFarApart) {
  program("trickle-fx", "echo >> \"$DIR/runs\"; [ $(wc -l < \"$DIR/runs\") -lt 8 ] && kill -9 $$; cat");
  on_restart_ = [this] { clock_.advance(41s); };
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kEndOfInput);
  EXPECT_EQ(restart_reasons_.size(), 7u);
}

TEST_F(ChainTest, FailsWithoutARestartWhenTheSubscribeChannelIsMissing) {
  program("trickle-sub", R"(echo '{"level":"error","message":"no channel in"}' >&2; exit 3)");
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kFailed);
  EXPECT_EQ(end_->error, "trickle-sub ended with exit code 3: no channel in");
  EXPECT_TRUE(restart_reasons_.empty());
}

TEST_F(ChainTest, EndsCleanlyWhenTheSubscribeChannelIsGoneAfterARestart) {
  program("trickle-sub", "[ $RUN = 1 ] && kill -9 $$; exit 3");
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kEndOfInput);
}

TEST_F(ChainTest, FailsWithoutARestartWhenTheServerRefusesThePublisher) {
  program("trickle-pub", "echo '{\"level\":\"error\",\"message\":\"refused\"}' >&2; exit 4");
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kFailed);
  EXPECT_EQ(end_->error, "trickle-pub ended with exit code 4: refused");
  EXPECT_TRUE(restart_reasons_.empty());
}

TEST_F(ChainTest, TakesTheBadDataBehindAKilledStageForItsConsequence) {
  roles_.insert(roles_.begin() + 1, {"trickle-decode", StageRole::kFilter});
  program("trickle-sub", "[ $RUN = 1 ] && exec sleep 1000; echo second");
  program("trickle-decode", "[ $RUN = 1 ] && kill -9 $$; cat");
  program("trickle-fx", "cat; [ $RUN = 1 ] && exit 6; exit 0");
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kEndOfInput);
  EXPECT_EQ(output(), "second\n");
}

TEST_F(ChainTest, RestartsWhenAStageEndsBeforeItsInput) {
  program("trickle-sub", "[ $RUN = 1 ] && exec sleep 1000; echo second");
  program("trickle-fx", "[ $RUN = 1 ] && exit 0; cat");
  run_to_the_end();
  EXPECT_EQ(output(), "second\n");
  ASSERT_EQ(restart_reasons_.size(), 1u);
  EXPECT_EQ(restart_reasons_[0], "trickle-fx ended before its input did");
}

TEST_F(ChainTest, StopEndsTheSourceAndLetsTheRestDrain) {
  program("trickle-sub",
          "trap 'echo last; exit 0' TERM; echo first; touch \"$DIR/up\"; while :; do sleep 0.01; done");
  start();
  run_until_touched("up");
  chain_->stop();
  chain_->stop();
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kStopped);
  EXPECT_EQ(output(), "first\nlast\n");
}

TEST_F(ChainTest, StopKillsWhatDoesNotDrainByTheDeadline) {
  options_.stop_deadline = 10ms;
  options_.kill_delay = 10ms;
  program("trickle-sub", "touch \"$DIR/sub-up\"; exec sleep 1000");
  program("trickle-fx", "trap '' TERM; touch \"$DIR/fx-up\"; exec sleep 1000");
  start();
  run_until_touched("fx-up");
  run_until_touched("sub-up");
  chain_->stop();
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kStopped);
}

TEST_F(ChainTest, AStopDuringARestartIsAStop) {
  program("trickle-sub", "exec sleep 1000");
  program("trickle-fx", "kill -9 $$");
  program("trickle-pub", "touch \"$DIR/pub-waits\"; while [ ! -e \"$DIR/go\" ]; do sleep 0.01; done");
  start();
  run_until_touched("pub-waits");
  io_->run_for(20ms);
  chain_->stop();
  std::ofstream(directory_ / "go") << "1";
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kStopped);
}

TEST_F(ChainTest, WithoutASourceRunsUntilItIsStopped) {
  roles_ = {{"trickle-pub", StageRole::kSink}};
  program("trickle-pub", "touch \"$DIR/up\"; cat; echo drained >> \"$DIR/out\"");
  start();
  run_until_touched("up");
  EXPECT_FALSE(end_);
  chain_->stop();
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kStopped);
  EXPECT_EQ(output(), "drained\n");
}

TEST_F(ChainTest, SendsControlLinesToTheStageThatIsNamed) {
  program("trickle-sub", "trap 'exit 0' TERM; touch \"$DIR/up\"; while :; do sleep 0.01; done");
  program("trickle-fx", "read -u $CONTROL line; echo \"$line\"; touch \"$DIR/told\"; cat");
  start();
  run_until_touched("up");
  chain_->control("trickle-sub", "not for you");
  chain_->control("trickle-fx", R"({"effect":"none"})");
  run_until_touched("told");
  chain_->stop();
  run_to_the_end();
  EXPECT_EQ(output(), "{\"effect\":\"none\"}\n");
}

TEST_F(ChainTest, AddsUpTheNumbersOfAllLives) {
  program("trickle-fx", "echo '{\"frames_in\":5}' >&$STATS; [ $RUN = 1 ] && kill -9 $$; cat");
  int lines = 0;
  on_numbers_ = [&] { ++lines; };
  run_to_the_end();
  EXPECT_EQ(lines, 2);
  const auto status = chain_->status();
  ASSERT_EQ(status.size(), 3u);
  EXPECT_EQ(status[1].name, "trickle-fx");
  EXPECT_EQ(status[1].totals.frames_in, 10u);
  EXPECT_EQ(status[1].now.frames_in, 5u);
}

TEST_F(ChainTest, RestartsWhenAStageIsStoppedByASignal) {
  clock_in_use_ = &system_clock();
  options_.watch_interval = 20ms;
  options_.hang.stopped = 50ms;
  program("trickle-sub", "[ $RUN = 1 ] && exec sleep 1000; echo second");
  program("trickle-fx", "[ $RUN = 1 ] && kill -STOP $$; cat");
  run_to_the_end();
  EXPECT_EQ(output(), "second\n");
  ASSERT_EQ(restart_reasons_.size(), 1u);
  EXPECT_EQ(restart_reasons_[0], "trickle-fx was stopped");
}

TEST_F(ChainTest, RestartsWhenAStageDoesNotReadItsInput) {
  clock_in_use_ = &system_clock();
  options_.watch_interval = 20ms;
  options_.hang.loading = 200ms;
  options_.sink_grace = 10ms;
  const std::string report = "while :; do echo '{}' >&$STATS; sleep 0.02; done";
  program("trickle-sub", "[ $RUN = 1 ] && { echo first; " + report + "; }; echo second");
  program("trickle-fx", "[ $RUN = 1 ] && { " + report + "; }; cat");
  program("trickle-pub", "[ $RUN = 1 ] && { " + report + "; }; cat >> \"$DIR/out\"");
  run_to_the_end();
  EXPECT_EQ(output(), "second\n");
  ASSERT_GE(restart_reasons_.size(), 1u);
  EXPECT_THAT(restart_reasons_[0], HasSubstr("trickle-fx has not moved"));
}

TEST_F(ChainTest, RestartsAStoppedSinkToo) {
  clock_in_use_ = &system_clock();
  options_.watch_interval = 20ms;
  options_.hang.stopped = 50ms;
  program("trickle-sub", "[ $RUN = 1 ] && exec sleep 1000; echo second");
  program("trickle-pub", "[ $RUN = 1 ] && kill -STOP $$; cat >> \"$DIR/out\"");
  run_to_the_end();
  EXPECT_EQ(output(), "second\n");
}

TEST_F(ChainTest, FailsWhenAProgramIsMissing) {
  std::filesystem::remove(directory_ / "trickle-pub");
  run_to_the_end();
  EXPECT_EQ(end_->kind, ChainEnd::Kind::kFailed);
  EXPECT_THAT(end_->error, HasSubstr("trickle-pub"));
  EXPECT_TRUE(restart_reasons_.empty());
}

TEST_F(ChainTest, LeavesNothingBehindAfterManyStartsAndStops) {
  program("trickle-sub", "exec sleep 1000");
  for (int i = 0; i < 20; ++i) {
    end_.reset();
    chain_.reset();
    start();
    chain_->stop();
    io_->restart();
    run_to_the_end();
  }
}

}  // namespace
}  // namespace trickle::pipeline
