// The rules of supervision that need no process: restart budget, exit codes, statistics lines.
#include <gtest/gtest.h>

#include "pipeline/exit_rule.h"
#include "pipeline/restart_budget.h"
#include "pipeline/stage_numbers.h"

namespace trickle::pipeline {
namespace {

using std::chrono::seconds;

TEST(RestartBudget, AllowsThreeRestartsIn120SecondsAndNoFourth) {
  FakeClock clock;
  RestartBudget budget(3, seconds(120));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(budget.take(clock.now()));
    clock.advance(seconds(30));
  }
  EXPECT_FALSE(budget.take(clock.now())) << "the first was only 90 s ago";
}

TEST(RestartBudget, ForgetsARestartAfter120Seconds) {
  FakeClock clock;
  RestartBudget budget(3, seconds(120));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.take(clock.now()));
  clock.advance(seconds(119));
  EXPECT_FALSE(budget.take(clock.now()));
  clock.advance(seconds(1));
  EXPECT_TRUE(budget.take(clock.now()));
}

TEST(JudgeExit, TakesASignalForAReasonToRestart) {
  for (const auto role : {StageRole::kSource, StageRole::kFilter, StageRole::kSink}) {
    EXPECT_EQ(judge_exit(role, {.code = 0, .signal = 9}, false), ExitVerdict::kRestart);
  }
}

TEST(JudgeExit, GivesUpWhereARestartWouldEndTheSameWay) {
  for (const int code : {2, 4, 6}) {
    for (const auto role : {StageRole::kSource, StageRole::kFilter, StageRole::kSink}) {
      EXPECT_EQ(judge_exit(role, {.code = code}, false), ExitVerdict::kGiveUp) << code;
    }
  }
  EXPECT_EQ(judge_exit(StageRole::kSink, {.code = 3}, true), ExitVerdict::kGiveUp);
}

TEST(JudgeExit, TakesAMissingSubscribeChannelForTheEndOnceTheChainHasRun) {
  EXPECT_EQ(judge_exit(StageRole::kSource, {.code = 3}, false), ExitVerdict::kGiveUp);
  EXPECT_EQ(judge_exit(StageRole::kSource, {.code = 3}, true), ExitVerdict::kEnd);
}

TEST(JudgeExit, RestartsAfterFailuresThatMayPass) {
  for (const int code : {1, 5, 127, 130}) {
    EXPECT_EQ(judge_exit(StageRole::kSource, {.code = code}, false), ExitVerdict::kRestart) << code;
  }
}

TEST(JudgeFailure, SaysOfAThreadWhatItSaysOfTheProgramThatFailsLikeThat) {
  const std::pair<ErrorKind, int> codes[] = {
      {ErrorKind::kInternal, 1}, {ErrorKind::kIo, 1},      {ErrorKind::kUsage, 2},  {ErrorKind::kNotFound, 3},
      {ErrorKind::kRefused, 4},  {ErrorKind::kNetwork, 5}, {ErrorKind::kBadData, 6}};
  for (const auto& [kind, code] : codes) {
    for (const auto role : {StageRole::kSource, StageRole::kFilter, StageRole::kSink}) {
      for (const bool ran_before : {false, true}) {
        EXPECT_EQ(judge_failure(role, kind, ran_before), judge_exit(role, {.code = code}, ran_before))
            << code;
      }
    }
  }
}

TEST(ParseStageNumbers, ReadsALineOfStats) {
  const auto n = parse_stage_numbers(
      R"({"tool":"trickle-fx","uptime_s":3.5,"frames_in":90,"frames_out":88,"audio_in":40,"fps_in":30.1,)"
      R"("drops":{"lag":2,"rate":0},"latency_p50_ms":4.5,"width":640,"segment":7,"last_error":"x"})",
      {});
  ASSERT_TRUE(n);
  EXPECT_EQ(n->frames_in, 90u);
  EXPECT_EQ(n->frames_out, 88u);
  EXPECT_EQ(n->drops.at("lag"), 2u);
  EXPECT_EQ(n->segment, 7);
  EXPECT_DOUBLE_EQ(n->fps_in, 30.1);
  EXPECT_EQ(n->last_error, "x");
}

TEST(ParseStageNumbers, MakesTheRateOfAudioFromTwoLines) {
  const auto first = parse_stage_numbers(R"({"uptime_s":1.0,"audio_in":40})", {});
  const auto second = parse_stage_numbers(R"({"uptime_s":2.0,"audio_in":90})", *first);
  EXPECT_DOUBLE_EQ(second->audio_fps_in, 50.0);
}

TEST(ParseStageNumbers, SurvivesJunk) {
  EXPECT_FALSE(parse_stage_numbers("", {}));
  EXPECT_FALSE(parse_stage_numbers("[1,2]", {}));
  EXPECT_FALSE(parse_stage_numbers("{\"frames_in\":", {}));
  const auto n =
      parse_stage_numbers(R"({"frames_in":-1,"bytes_in":1e300,"drops":{"lag":"x"},"fps_in":"30"})", {});
  ASSERT_TRUE(n);
  EXPECT_EQ(n->frames_in, 0u);
  EXPECT_EQ(n->bytes_in, 0u);
  EXPECT_TRUE(n->drops.empty());
}

TEST(StageNumbers, AddUpOverTheLivesOfAStage) {
  StageNumbers totals;
  for (int i = 0; i < 2; ++i) {
    StageNumbers life;
    life.frames_in = 100;
    life.drops["lag"] = 3;
    totals.add_totals(life);
  }
  EXPECT_EQ(totals.frames_in, 200u);
  EXPECT_EQ(totals.drops.at("lag"), 6u);
}

}  // namespace
}  // namespace trickle::pipeline
