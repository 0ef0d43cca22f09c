// Random clients against the store and, step by step, against a model of the rules that is as plain as can
// be: whole strings instead of chunks, lists that are searched, no caps. TRICKLE_PROPERTY_SEED repeats a run,
// TRICKLE_PROPERTY_SECONDS makes it longer.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "trickle/channel_store.h"

namespace trickle {
namespace {

using namespace std::chrono_literals;

constexpr SegmentNumber kWindow = 3;
constexpr size_t kMaxChannels = 3;
constexpr size_t kMaxClients = 12;  // Of each kind.

// The bytes that every writer of this test sends: their position in their segment says what they are.
std::string content(uint64_t segment_id, size_t from, size_t count) {
  std::string text(count, '\0');
  for (size_t i = 0; i < count; ++i) {
    text[i] = static_cast<char>((segment_id * 7919 + (from + i) * 31 + (from + i) / 251) & 0xff);
  }
  return text;
}

struct ModelSegment {
  SegmentNumber number;
  uint64_t id;  // Unlike its number never used twice.
  std::string bytes{};
  SegmentState state = SegmentState::kWaiting;
  int writer = 0;  // The client that writes it, 0: none.
  int readers = 0;

  bool ended() const { return state == SegmentState::kClosed || state == SegmentState::kEvicted; }
  bool written() const { return state == SegmentState::kOpen || state == SegmentState::kClosed; }
};
using ModelSegmentPtr = std::shared_ptr<ModelSegment>;

struct ModelChannel {
  SegmentNumber next = 0;
  SegmentNumber highest_evicted = -1;
  bool closed = false;
  TimePoint last_write;
  std::vector<ModelSegmentPtr> segments;  // In the order of their numbers.

  ModelSegmentPtr at(SegmentNumber number) const {
    for (const auto& segment : segments) {
      if (segment->number == number) return segment;
    }
    return nullptr;
  }
  SegmentNumber oldest_acceptable() const { return std::max(highest_evicted + 1, next - kWindow); }
  bool accepts(SegmentNumber number) const {
    if (const auto segment = at(number)) return !segment->ended();
    return number >= next || number >= oldest_acceptable();
  }
};
using ModelChannelPtr = std::shared_ptr<ModelChannel>;

// The rules of wire.md, one function for each request.
class Model {
 public:
  explicit Model(const Clock& clock) : clock_(clock) {}

  std::map<std::string, ModelChannelPtr> channels;
  std::map<int, WriterEnd> lost;  // How clients lost their segments in this step.

  ModelChannelPtr find(const std::string& name) const {
    const auto found = channels.find(name);
    return found == channels.end() ? nullptr : found->second;
  }

  CreateStatus create(const std::string& name) {
    if (find(name)) return CreateStatus::kExists;
    if (channels.size() >= kMaxChannels) return CreateStatus::kTooManyChannels;
    add(name);
    return CreateStatus::kCreated;
  }

  WriteStatus post(const std::string& name, std::optional<SegmentNumber> number, bool reset, bool may_create,
                   int client, ModelSegmentPtr& segment) {
    auto channel = find(name);
    if (channel && number && restarts(*channel, *number, reset)) {
      end(name);
      channel = add(name);
    }
    if (!channel) {
      const bool late = number.value_or(0) > 0 && !reset && tombstones_.count(name) > 0 &&
                        clock_.now() < tombstones_.at(name);
      if (!may_create || late) return WriteStatus::kNoChannel;
      if (channels.size() >= kMaxChannels) return WriteStatus::kTooManyChannels;
      channel = add(name);
    }
    const SegmentNumber wanted = number.value_or(channel->next);
    if (!channel->accepts(wanted)) return WriteStatus::kAlreadyClosed;
    segment = channel->at(wanted);
    if (!segment) segment = add_segment(*channel, wanted);
    if (reset) {
      const auto segments = channel->segments;
      for (const auto& older : segments) {
        if (older->number < wanted && !older->ended()) close(*channel, older, WriterEnd::kSegmentClosed);
      }
    }
    end_writer(*segment, WriterEnd::kSuperseded);
    segment->writer = client;
    return WriteStatus::kGranted;
  }

  void append(const std::string& name, const ModelSegmentPtr& segment, const std::string& bytes) {
    ModelChannel& channel = *find(name);
    if (segment->state == SegmentState::kWaiting) {
      segment->state = SegmentState::kOpen;
      written(channel, *segment);
    }
    segment->bytes += bytes;
    channel.last_write = clock_.now();
  }

  void finish(const std::string& name, const ModelSegmentPtr& segment) {
    segment->writer = 0;
    close(*find(name), segment, WriterEnd::kSegmentClosed);
  }

  void vanish(const std::string& name, const ModelSegmentPtr& segment) {
    segment->writer = 0;
    if (const auto channel = find(name)) forget(*channel, segment);
  }

  CloseStatus delete_segment(const std::string& name, SegmentNumber number) {
    const auto channel = find(name);
    if (!channel) return CloseStatus::kNoChannel;
    const auto segment = channel->at(number);
    if (!segment) return CloseStatus::kNoSegment;
    if (!segment->ended()) close(*channel, segment, WriterEnd::kSegmentClosed);
    return CloseStatus::kClosed;
  }

  bool remove(const std::string& name) {
    if (!find(name)) return false;
    end(name);
    tombstones_[name] = clock_.now() + 60s;
    return true;
  }

  void sweep() {
    std::vector<std::string> idle;
    for (const auto& [name, channel] : channels) {
      if (clock_.now() - channel->last_write > 5min) idle.push_back(name);
    }
    for (const auto& name : idle) remove(name);
  }

  // Null with `status` for what is not there.
  ModelSegmentPtr get(const std::string& name, ReadSelector selector, ReadStatus& status) {
    const auto channel = find(name);
    status = ReadStatus::kNoChannel;
    if (!channel) return nullptr;
    status = ReadStatus::kSegment;
    const SegmentNumber number = resolve(*channel, selector);
    auto segment = channel->at(number);
    if (!segment && (number == channel->next || (channel->next == 0 && number == 1)))
      segment = add_segment(*channel, number);
    if (!segment) status = ReadStatus::kNoSegment;
    if (segment) ++segment->readers;
    return segment;
  }

  void leave(const std::string& name, const ModelSegmentPtr& segment) {
    --segment->readers;
    if (const auto channel = find(name)) forget(*channel, segment);
  }

 private:
  ModelChannelPtr add(const std::string& name) {
    auto channel = std::make_shared<ModelChannel>();
    channel->last_write = clock_.now();
    channels[name] = channel;
    tombstones_.erase(name);
    return channel;
  }

  ModelSegmentPtr add_segment(ModelChannel& channel, SegmentNumber number) {
    auto segment = std::make_shared<ModelSegment>(ModelSegment{number, ++ids_});
    channel.segments.push_back(segment);
    std::sort(channel.segments.begin(), channel.segments.end(),
              [](const auto& a, const auto& b) { return a->number < b->number; });
    return segment;
  }

  bool restarts(const ModelChannel& channel, SegmentNumber number, bool reset) const {
    if (number >= channel.next || channel.accepts(number)) return false;
    const bool writing = std::any_of(
        channel.segments.begin(), channel.segments.end(),
        [](const auto& segment) { return segment->state == SegmentState::kOpen && segment->writer != 0; });
    return reset || (!writing && clock_.now() - channel.last_write >= 5s);
  }

  static SegmentNumber resolve(const ModelChannel& channel, ReadSelector selector) {
    if (selector.kind == ReadSelector::Kind::kNumber) return selector.value;
    if (selector.kind == ReadSelector::Kind::kFromEnd) {
      const SegmentNumber number = channel.next - (selector.value - 1);
      return selector.value == 2 ? std::max<SegmentNumber>(number, 0) : number;
    }
    for (const auto& segment : channel.segments) {
      if (segment->written()) return segment->number;
    }
    return channel.next;
  }

  void end_writer(ModelSegment& segment, WriterEnd why) {
    if (segment.writer != 0) lost[std::exchange(segment.writer, 0)] = why;
  }

  void close(ModelChannel& channel, const ModelSegmentPtr& segment, WriterEnd why) {
    const bool waiting = segment->state == SegmentState::kWaiting;
    segment->state = SegmentState::kClosed;
    end_writer(*segment, why);
    channel.last_write = clock_.now();
    if (waiting) written(channel, *segment);
  }

  void written(ModelChannel& channel, const ModelSegment& segment) {
    channel.next = std::max(channel.next, segment.number + 1);
    const auto count = [&] {
      return std::count_if(channel.segments.begin(), channel.segments.end(),
                           [](const auto& other) { return other->written(); });
    };
    while (count() > kWindow) {
      const auto oldest = *std::find_if(channel.segments.begin(), channel.segments.end(),
                                        [](const auto& other) { return other->written(); });
      channel.highest_evicted = std::max(channel.highest_evicted, oldest->number);
      evict(channel, oldest);
    }
    while (!channel.segments.empty() && !channel.segments.front()->written() &&
           channel.segments.front()->number < channel.oldest_acceptable()) {
      evict(channel, ModelSegmentPtr(channel.segments.front()));
    }
  }

  void evict(ModelChannel& channel, const ModelSegmentPtr& segment) {
    segment->state = SegmentState::kEvicted;
    end_writer(*segment, WriterEnd::kSegmentClosed);
    channel.segments.erase(std::find(channel.segments.begin(), channel.segments.end(), segment));
  }

  // Nobody waits for it any more.
  void forget(ModelChannel& channel, const ModelSegmentPtr& segment) {
    if (segment->state != SegmentState::kWaiting || segment->writer != 0 || segment->readers > 0) return;
    const auto found = std::find(channel.segments.begin(), channel.segments.end(), segment);
    if (found != channel.segments.end()) channel.segments.erase(found);
  }

  void end(const std::string& name) {
    const auto channel = find(name);
    channel->closed = true;
    for (const auto& segment : channel->segments) {
      if (!segment->ended()) segment->state = SegmentState::kClosed;
      end_writer(*segment, WriterEnd::kChannelClosed);
    }
    channels.erase(name);
  }

  const Clock& clock_;
  std::map<std::string, TimePoint> tombstones_;
  uint64_t ids_ = 0;
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
  explicit StoreAgainstModel(uint64_t seed) : random_(seed), model_(clock_) {
    StoreLimits limits;
    limits.window = static_cast<size_t>(kWindow);
    limits.max_channels = kMaxChannels;
    store_ = make_memory_store(limits, clock_);
  }

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
    for (const char* name : kNames) store_->remove(name);
    EXPECT_EQ(store_->totals().channels, 0u);
    EXPECT_EQ(store_->totals().footprint_bytes, 0u);
  }

 private:
  static constexpr const char* kNames[] = {"a", "b", "c", "d"};

  size_t below(size_t limit) { return random_() % limit; }
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
    client->grant = store_->open_write(request, *client);
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
    client->grant = store_->open_read(client->channel, selector);
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
    store_->release(reader.grant.segment);
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
    ASSERT_EQ(store_->close_segment(channel, which), expected);
  }

  void remove() {
    const std::string channel = name();
    const bool expected = model_.remove(channel);
    ASSERT_EQ(store_->remove(channel), expected);
  }

  void create() {
    const std::string channel = name();
    const CreateStatus expected = model_.create(channel);
    ASSERT_EQ(store_->create(channel, {}, true), expected);
  }

  void pass_time() {
    static constexpr Duration kSteps[] = {100ms, 1s, 2s, 5s, 20s, 60s, 301s};
    clock_.advance(kSteps[below(one_in(6) ? 7 : 4)]);
    if (!one_in(3)) return;
    model_.sweep();
    store_->sweep();
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
    const auto reports = store_->report();
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
  Model model_;
  std::unique_ptr<ChannelStore> store_;
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

TEST(StoreProperty, BehavesAsTheModelWhateverClientsDo) {
  const uint64_t first_seed = number_from("TRICKLE_PROPERTY_SEED", std::random_device()());
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::seconds(number_from("TRICKLE_PROPERTY_SECONDS", 3));
  uint64_t steps = 0;
  uint64_t runs = 0;
  do {
    const uint64_t seed = first_seed + runs++;
    SCOPED_TRACE("TRICKLE_PROPERTY_SEED=" + std::to_string(seed));
    StoreAgainstModel play(seed);
    for (int i = 0; i < 2000; ++i, ++steps) {
      ASSERT_NO_FATAL_FAILURE(play.step()) << "step " << i;
      if (::testing::Test::HasFailure()) return;
    }
    play.end();
  } while (!::testing::Test::HasFailure() && std::chrono::steady_clock::now() < until);
  std::cout << "seed " << first_seed << ": " << runs << " runs, " << steps << " steps\n";
}

}  // namespace
}  // namespace trickle
