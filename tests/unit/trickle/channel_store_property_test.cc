// Random clients against the store and, step by step, against a model of its rules; and the same through the
// views of several threads. TRICKLE_PROPERTY_SEED repeats a run, TRICKLE_PROPERTY_SECONDS makes it longer.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <random>

#include "trickle/channel_store.h"
#include "trickle/shared_store.h"
#include "unit/trickle/store_model.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;
using testing::kModelChannels;
using testing::kModelWindow;
using testing::ModelChannel;
using testing::ModelChannelPtr;
using testing::ModelSegment;
using testing::ModelSegmentPtr;
using testing::StoreModel;

constexpr size_t kMaxClients = 12;  // Of each kind.

// The bytes that every writer of this test sends: their position in their segment says what they are.
std::string content(uint64_t segment_id, size_t from, size_t count) {
  std::string text(count, '\0');
  for (size_t i = 0; i < count; ++i) {
    text[i] = static_cast<char>((segment_id * 7919 + (from + i) * 31 + (from + i) / 251) & 0xff);
  }
  return text;
}

// A store, or views of one: each client stays with one of them.
class Stores {
 public:
  Stores(size_t views, const Clock& clock) {
    StoreLimits limits;
    limits.window = static_cast<size_t>(kModelWindow);
    limits.max_channels = kModelChannels;
    auto store = make_memory_store(limits, clock);
    if (views == 0) {
      all_.push_back(std::move(store));
      return;
    }
    const auto shared = share_store(std::move(store));
    while (all_.size() < views) {
      auto view = std::make_unique<StoreView>(shared, [this, i = all_.size()] { catch_up(i); });
      all_.push_back(std::move(view));
    }
  }
  [[nodiscard]] size_t count() const { return all_.size(); }
  [[nodiscard]] ChannelStore& operator[](size_t i) { return *all_[i]; }

 private:
  // There is one thread only, so that the model knows what must have been told after each step.
  void catch_up(size_t i) { static_cast<StoreView&>(*all_[i]).catch_up(); }

  std::vector<std::unique_ptr<ChannelStore>> all_;
};

struct WritingClient final : WriterListener {
  int id = 0;
  std::string channel;
  WriteGrant grant;
  ModelSegmentPtr model;
  std::optional<WriterEnd> end;
  void on_writer_ended(WriterEnd why) override {
    EXPECT_FALSE(end) << "a writer is told once";
    end = why;
  }
};

// Reads like a slow connection: some chunks, sometimes, with a cursor of its own.
struct ReadingClient final : ChangeListener {
  ChannelStore* store = nullptr;
  std::string channel;
  ReadGrant grant;
  ModelSegmentPtr model;
  std::string got;
  size_t checked = 0;  // So much of it was compared.
  size_t chunks_read = 0;
  bool told = false;
  SegmentState known = SegmentState::kWaiting;
  size_t known_bytes = 0;
  void on_change() override { told = true; }
  void read(size_t chunks) {
    for (; chunks > 0 && chunks_read < grant.segment->chunks().size(); --chunks) {
      got += grant.segment->chunks()[chunks_read++]->data();
    }
  }
};

class StoreAgainstModel {
 public:
  StoreAgainstModel(uint64_t seed, size_t views) : random_(seed), model_(clock_), stores_(views, clock_) {}

  void step() {
    model_.lost.clear();
    const size_t kind = below(100);
    if (kind < 20) {
      post();
    } else if (kind < 45) {
      send();
    } else if (kind < 57) {
      finish();
    } else if (kind < 62) {
      vanish();
    } else if (kind < 75) {
      get();
    } else if (kind < 84) {
      read();
    } else if (kind < 88) {
      leave();
    } else if (kind < 92) {
      delete_segment();
    } else if (kind < 93) {
      remove();
    } else if (kind < 95) {
      create();
    } else {
      pass_time();
    }
    check();
  }

  /// At the end nothing that clients left behind may remain.
  void end() {
    writers_.clear();
    for (auto& reader : readers_) release(*reader);
    readers_.clear();
    for (const char* name : kNames) store().remove(name);
    EXPECT_EQ(store().totals().channels, 0u);
    EXPECT_EQ(store().totals().footprint_bytes, 0u);
  }

 private:
  static constexpr const char* kNames[] = {"a", "b", "c", "d"};

  size_t below(size_t limit) { return random_() % limit; }
  ChannelStore& store() { return stores_[stores_.count() == 1 ? 0 : below(stores_.count())]; }
  bool one_in(size_t times) { return below(times) == 0; }
  std::string name() { return kNames[one_in(8) ? 1 + below(3) : 0]; }

  // Mostly about where things happen.
  SegmentNumber number(const std::string& channel) {
    const auto known = model_.find(channel);
    const SegmentNumber next = known ? known->next : 0;
    if (one_in(12)) return static_cast<SegmentNumber>(below(40));
    if (one_in(40)) return next + 1'000'000;
    return std::max<SegmentNumber>(0, next - 5 + static_cast<SegmentNumber>(below(8)));
  }

  void post() {
    if (writers_.size() >= kMaxClients) return vanish();
    auto client = std::make_unique<WritingClient>();
    client->id = ++ids_;
    client->channel = name();
    WriteRequest request;
    request.channel = client->channel;
    if (!one_in(5)) request.number = number(client->channel);
    request.reset = one_in(15);
    request.may_create = !one_in(6);
    const WriteStatus expected = model_.post(client->channel, request.number, request.reset,
                                             request.may_create, client->id, client->model);
    client->grant = store().open_write(request, *client);
    ASSERT_EQ(client->grant.status, expected);
    if (expected != WriteStatus::kGranted) return;
    ASSERT_EQ(client->grant.number, client->model->number);
    writers_.push_back(std::move(client));
  }

  // Writers that were told to stop, and go on, may be among them.
  WritingClient* any_writer() { return writers_.empty() ? nullptr : writers_[below(writers_.size())].get(); }

  void send() {
    WritingClient* client = any_writer();
    if (!client) return;
    const std::string bytes =
        content(client->model->id, client->model->bytes.size(), 1 + below(one_in(20) ? 5'000 : 100));
    const bool lost = client->end.has_value();
    if (!lost) model_.append(client->channel, client->model, bytes);
    ASSERT_EQ(client->grant.writer->append({bytes.data(), bytes.size()}),
              lost ? AppendStatus::kDiscarded : AppendStatus::kTaken);
  }

  void finish() {
    WritingClient* client = any_writer();
    if (!client) return;
    if (!client->end) model_.finish(client->channel, client->model);
    client->grant.writer->finish();
    drop(client);
  }

  void vanish() {
    WritingClient* client = any_writer();
    if (!client) return;
    if (!client->end) model_.vanish(client->channel, client->model);
    drop(client);
  }

  void drop(WritingClient* client) {
    std::erase_if(writers_, [&](const auto& other) { return other.get() == client; });
  }

  void get() {
    if (readers_.size() >= kMaxClients) return leave();
    auto client = std::make_unique<ReadingClient>();
    client->channel = name();
    ReadSelector selector{ReadSelector::Kind::kNumber, number(client->channel)};
    if (one_in(3)) selector = {ReadSelector::Kind::kFromEnd, static_cast<SegmentNumber>(1 + below(6))};
    if (one_in(8)) selector = {ReadSelector::Kind::kOldest};
    ReadStatus expected{};
    client->model = model_.get(client->channel, selector, expected);
    client->store = &store();
    client->grant = client->store->open_read(client->channel, selector);
    ASSERT_EQ(client->grant.status, expected);
    if (expected != ReadStatus::kNoChannel) {
      ASSERT_EQ(client->grant.latest, model_.find(client->channel)->next);
    }
    if (expected != ReadStatus::kSegment) return;
    ASSERT_EQ(client->grant.segment->number(), client->model->number);
    client->grant.segment->listeners().add(*client);
    client->known = client->model->state;
    client->known_bytes = client->model->bytes.size();
    readers_.push_back(std::move(client));
  }

  void read() {
    for (auto& reader : readers_) {
      if (one_in(2)) reader->read(1 + below(4));
    }
  }

  void release(ReadingClient& reader) {
    model_.leave(reader.channel, reader.model);
    reader.unlink();
    reader.store->release(reader.grant.segment);
  }

  void leave() {
    if (readers_.empty()) return;
    const auto at = readers_.begin() + static_cast<std::ptrdiff_t>(below(readers_.size()));
    release(**at);
    readers_.erase(at);
  }

  void delete_segment() {
    const std::string channel = name();
    const SegmentNumber which = number(channel);
    const CloseStatus expected = model_.delete_segment(channel, which);
    ASSERT_EQ(store().close_segment(channel, which), expected);
  }

  void remove() {
    const std::string channel = name();
    const bool expected = model_.remove(channel);
    ASSERT_EQ(store().remove(channel), expected);
  }

  void create() {
    const std::string channel = name();
    const CreateStatus expected = model_.create(channel);
    ASSERT_EQ(store().create(channel, {}, true), expected);
  }

  void pass_time() {
    static constexpr Duration kSteps[] = {100ms, 1s, 2s, 5s, 20s, 60s, 301s};
    clock_.advance(kSteps[below(one_in(6) ? 7 : 4)]);
    if (!one_in(3)) return;
    model_.sweep();
    store().sweep();
  }

  // After every step the store and the model agree about everything that can be seen.
  void check() {
    for (const auto& client : writers_) {
      const auto lost = model_.lost.find(client->id);
      if (lost != model_.lost.end()) {
        ASSERT_TRUE(client->end) << "writer of " << client->grant.number << " was not told";
        ASSERT_EQ(*client->end, lost->second);
      }
    }
    check_channels();
    for (const auto& reader : readers_) check_reader(*reader);
  }

  void check_channels() {
    const auto reports = store().report();
    ASSERT_EQ(reports.size(), model_.channels.size());
    for (const auto& report : reports) {
      const ModelChannel& channel = *model_.find(report.name);
      ASSERT_EQ(report.next, channel.next) << report.name;
      SegmentNumber& last_next = next_of_[&channel];
      ASSERT_GE(report.next, last_next) << "next went back";
      last_next = report.next;
      alive_[&channel] = model_.find(report.name);
      ASSERT_EQ(report.segments.size(), channel.segments.size()) << report.name;
      for (size_t i = 0; i < report.segments.size(); ++i) {
        const ModelSegment& segment = *channel.segments[i];
        ASSERT_EQ(report.segments[i].number, segment.number);
        ASSERT_EQ(report.segments[i].state, segment.state) << segment.number;
        ASSERT_EQ(report.segments[i].size_bytes, segment.bytes.size()) << segment.number;
        ASSERT_EQ(report.segments[i].has_writer, segment.writer != 0) << segment.number;
      }
    }
  }

  static void check_reader(ReadingClient& reader) {
    const ModelSegment& model = *reader.model;
    const Segment& segment = *reader.grant.segment;
    ASSERT_EQ(segment.state(), model.state) << segment.number();
    const bool changed = model.state != reader.known || model.bytes.size() != reader.known_bytes;
    ASSERT_TRUE(reader.told || !changed) << "a reader of " << model.number << " was not told";
    reader.told = false;
    reader.known = model.state;
    reader.known_bytes = model.bytes.size();
    ASSERT_EQ(reader.got.substr(reader.checked),
              content(model.id, reader.checked, reader.got.size() - reader.checked));
    reader.checked = reader.got.size();
    if (model.state == SegmentState::kClosed && reader.chunks_read == segment.chunks().size()) {
      ASSERT_EQ(reader.got.size(), model.bytes.size()) << "the last bytes of " << model.number;
    }
  }

  std::mt19937_64 random_;
  FakeClock clock_;
  StoreModel model_;
  Stores stores_;
  std::vector<std::unique_ptr<WritingClient>> writers_;
  std::vector<std::unique_ptr<ReadingClient>> readers_;
  std::map<const ModelChannel*, SegmentNumber> next_of_;
  std::map<const ModelChannel*, ModelChannelPtr> alive_;  // So that no address comes twice.
  int ids_ = 0;
};

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// The argument: how many views; 0 is the store itself.
class StoreProperty : public ::testing::TestWithParam<size_t> {};

TEST_P(StoreProperty, BehavesAsTheModelWhateverClientsDo) {
  const uint64_t first_seed = number_from("TRICKLE_PROPERTY_SEED", std::random_device()());
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::seconds(number_from("TRICKLE_PROPERTY_SECONDS", 1));
  uint64_t steps = 0;
  uint64_t runs = 0;
  do {
    const uint64_t seed = first_seed + runs++;
    SCOPED_TRACE("TRICKLE_PROPERTY_SEED=" + std::to_string(seed));
    StoreAgainstModel play(seed, GetParam());
    for (int i = 0; i < 2000; ++i, ++steps) {
      ASSERT_NO_FATAL_FAILURE(play.step()) << "step " << i;
      if (::testing::Test::HasFailure()) return;
    }
    play.end();
  } while (!::testing::Test::HasFailure() && std::chrono::steady_clock::now() < until);
  std::cout << "seed " << first_seed << ": " << runs << " runs, " << steps << " steps\n";
}

INSTANTIATE_TEST_SUITE_P(Itself, StoreProperty, ::testing::Values(0));
INSTANTIATE_TEST_SUITE_P(SeenByThreads, StoreProperty, ::testing::Values(1, 3));

}  // namespace
}  // namespace trickle
