#include "trickle/shared_store.h"

#include <boost/container/small_vector.hpp>
#include <mutex>
#include <utility>

namespace trickle {

using ViewsToWake = boost::container::small_vector<StoreView*, 8>;

class SharedStore {
 public:
  explicit SharedStore(std::unique_ptr<ChannelStore> shared) : store(std::move(shared)) {}

  std::mutex mutex;
  const std::unique_ptr<ChannelStore> store;
  // Of the call that holds the lock.
  const StoreView* caller = nullptr;
  bool noted_own = false;
  ViewsToWake to_wake;
};

std::shared_ptr<SharedStore> share_store(std::unique_ptr<ChannelStore> store) {
  return std::make_shared<SharedStore>(std::move(store));
}

/// Something that a view is to look at.
class StoreView::Note {
 public:
  virtual ~Note() = default;
  /// Under the lock.
  virtual void catch_up() {}
  /// Without it.
  virtual void tell() = 0;

 private:
  friend class StoreView;
  bool noted_ = false;  // Under the lock.
};

/// One call to the store: holds the lock, and at its end sees to it that everybody is told.
class StoreView::Locked {
 public:
  enum class Tell { kAtTheEnd, kLater };
  /// \param tell  when the listeners of this view are told.
  explicit Locked(const StoreView& view, Tell tell = Tell::kAtTheEnd)
      : view_(const_cast<StoreView&>(view)), shared_(*view.shared_), tell_(tell), lock_(shared_.mutex) {
    shared_.caller = &view_;
  }
  ~Locked() {
    shared_.caller = nullptr;
    const bool noted_own = std::exchange(shared_.noted_own, false);
    ViewsToWake to_wake;
    to_wake.swap(shared_.to_wake);
    const bool later = noted_own && tell_ == Tell::kLater;
    if (later && !std::exchange(view_.woken_, true)) to_wake.push_back(&view_);
    lock_.unlock();
    for (const StoreView* woken : to_wake) woken->wake_();
    if (noted_own && !later) view_.catch_up();
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  ChannelStore* operator->() const { return shared_.store.get(); }

 private:
  StoreView& view_;
  SharedStore& shared_;
  const Tell tell_;
  std::unique_lock<std::mutex> lock_;
};

class StoreView::ChannelCopy final : public ChannelHead,
                                     public Note,
                                     public ChangeListener,
                                     public std::enable_shared_from_this<ChannelCopy> {
 public:
  ChannelCopy(StoreView& view, std::shared_ptr<const ChannelHead> original)
      : ChannelHead(*original), view_(view), original_(std::move(original)) {}

  void on_change() override { view_.note(shared_from_this()); }
  void catch_up() override {
    next = original_->next;
    closed = original_->closed;
    if (!closed) return;
    // It will not change any more, and who asks for its name means another.
    const auto found = view_.channels_.find(original_.get());
    if (found == view_.channels_.end()) return;
    const auto self = found->second;  // May be the last to hold it.
    if (is_linked()) unlink();
    view_.channels_.erase(found);
  }
  void tell() override { listeners.notify(); }
  [[nodiscard]] const ChannelHead& original() const { return *original_; }

  ChangeListeners listeners;

 private:
  StoreView& view_;
  const std::shared_ptr<const ChannelHead> original_;
};

class StoreView::Copy final : public Segment,
                              public Note,
                              public ChangeListener,
                              public std::enable_shared_from_this<Copy> {
 public:
  Copy(StoreView& view, std::shared_ptr<Segment> original, const std::shared_ptr<ChannelCopy>& channel)
      : Segment(channel, original->number()),
        view_(view),
        original_(std::move(original)),
        channel_(channel) {}

  void on_change() override { view_.note(shared_from_this()); }
  [[nodiscard]] size_t readers() const override { return readers_; }
  void catch_up() override {
    channel_->catch_up();
    catch_up_with(*original_);
  }
  void tell() override { listeners().notify(); }
  [[nodiscard]] const std::shared_ptr<Segment>& original() const { return original_; }

  void add_reader() { ++readers_; }
  /// \return whether it was the last one.
  [[nodiscard]] bool remove_reader() { return --readers_ == 0; }

 private:
  StoreView& view_;
  const std::shared_ptr<Segment> original_;
  const std::shared_ptr<ChannelCopy> channel_;
  size_t readers_ = 0;  // Under the lock.
};

class StoreView::Writer final : public SegmentWriter {
 public:
  Writer(StoreView& view, WriterListener& listener)
      : view_(view), end_(std::make_shared<End>(view, listener)) {}
  ~Writer() {
    end_->listener = nullptr;
    if (!writer_) return;
    const Locked store(view_);
    writer_.reset();
  }
  void begin(std::unique_ptr<SegmentWriter> writer, std::shared_ptr<ChannelCopy> channel) {
    writer_ = std::move(writer);
    channel_ = std::move(channel);
  }

  /// What the store is to tell.
  [[nodiscard]] WriterListener& listener() { return *end_; }

  [[nodiscard]] SegmentNumber number() const override { return writer_->number(); }
  [[nodiscard]] bool channel_closed() const override { return channel_->closed; }
  AppendStatus append(std::span<const char> bytes) override {
    const Locked store(view_);
    return writer_->append(bytes);
  }
  // One that has lost its segment to a writer on another thread is to hear of it before it hears of success.
  void finish() override {
    const auto end = end_;
    bool lost = false;
    {
      const Locked store(view_);
      lost = end_->why.has_value();
      writer_->finish();
      channel_->catch_up();
    }
    if (lost) end->tell();
  }

 private:
  struct End final : Note, WriterListener, std::enable_shared_from_this<End> {
    End(StoreView& its_view, WriterListener& its_listener) : view(its_view), listener(&its_listener) {}
    void on_writer_ended(WriterEnd how) override {
      why = how;
      view.note(shared_from_this());
    }
    void tell() override {
      if (auto* told = std::exchange(listener, nullptr)) told->on_writer_ended(*why);
    }
    StoreView& view;
    WriterListener* listener;      // Null once it was told, or is gone.
    std::optional<WriterEnd> why;  // Set under the lock.
  };

  StoreView& view_;
  const std::shared_ptr<End> end_;
  std::unique_ptr<SegmentWriter> writer_;
  std::shared_ptr<ChannelCopy> channel_;
};

class StoreView::ObserverNote final : public Note {
 public:
  ObserverNote(const StoreView& view, std::string channel, bool added)
      : view_(view), channel_(std::move(channel)), added_(added) {}
  void tell() override {
    if (view_.observer_) view_.observer_(channel_, added_);
  }

 private:
  const StoreView& view_;
  const std::string channel_;
  const bool added_;
};

StoreView::StoreView(std::shared_ptr<SharedStore> shared, std::function<void()> wake)
    : shared_(std::move(shared)), wake_(std::move(wake)) {}

StoreView::~StoreView() {
  const std::lock_guard lock(shared_->mutex);
  if (observer_) shared_->store->set_observer({});
  segments_.clear();
  channels_.clear();
}

void StoreView::note(std::shared_ptr<Note> note) {
  if (std::exchange(note->noted_, true)) return;
  notes_.push_back(std::move(note));
  if (shared_->caller == this) {
    shared_->noted_own = true;
  } else if (!std::exchange(woken_, true)) {
    shared_->to_wake.push_back(this);
  }
}

// What listeners change while they are told is told by the same loop.
void StoreView::catch_up() {
  if (std::exchange(catching_up_, true)) return;
  while (true) {
    {
      const std::lock_guard lock(shared_->mutex);
      woken_ = false;
      in_hand_.swap(notes_);
      for (const auto& note : in_hand_) {
        note->noted_ = false;
        note->catch_up();
      }
    }
    if (in_hand_.empty()) break;
    for (const auto& note : in_hand_) note->tell();
    in_hand_.clear();
  }
  catching_up_ = false;
}

std::shared_ptr<StoreView::ChannelCopy> StoreView::copy_of(
    const std::shared_ptr<const ChannelHead>& original) const {
  const auto found = channels_.find(original.get());
  auto copy = found != channels_.end()
                  ? found->second
                  : std::make_shared<ChannelCopy>(const_cast<StoreView&>(*this), original);
  if (found == channels_.end()) {
    channels_.emplace(original.get(), copy);
    shared_->store->listen(*original, *copy);
  }
  copy->catch_up();
  return copy;
}

std::shared_ptr<StoreView::Copy> StoreView::copy_of(const std::shared_ptr<Segment>& original) {
  auto& entry = segments_[original.get()];
  if (!entry) {
    entry = std::make_shared<Copy>(*this, original, copy_of(original->shared_channel()));
    original->listeners().add(*entry);
  }
  entry->add_reader();
  entry->catch_up();
  return entry;
}

void StoreView::set_observer(Observer observer) {
  observer_ = std::move(observer);
  const Locked store(*this);
  if (!observer_) return store->set_observer({});
  store->set_observer([this](const std::string& channel, bool added) {
    note(std::make_shared<ObserverNote>(*this, channel, added));
  });
}

CreateStatus StoreView::create(std::string_view name, ChannelOptions options, bool may_create) {
  const Locked store(*this);
  return store->create(name, std::move(options), may_create);
}

WriteGrant StoreView::open_write(const WriteRequest& request, WriterListener& listener) {
  auto writer = std::make_unique<Writer>(*this, listener);
  // As soon as the lock is free another thread may end the writer, of which the listener has not heard yet.
  const Locked store(*this, Locked::Tell::kLater);
  WriteGrant grant = store->open_write(request, writer->listener());
  if (!grant.writer) return grant;
  writer->begin(std::move(grant.writer), copy_of(store->find(request.channel)));
  grant.writer = std::move(writer);
  return grant;
}

ReadGrant StoreView::open_read(std::string_view name, ReadSelector selector) {
  const Locked store(*this);
  ReadGrant grant = store->open_read(name, selector);
  if (grant.channel) grant.channel = copy_of(grant.channel);
  if (grant.segment) grant.segment = copy_of(grant.segment);
  return grant;
}

void StoreView::release(const std::shared_ptr<Segment>& segment) {
  auto& copy = static_cast<Copy&>(*segment);
  decltype(segments_)::node_type last;  // Its bytes are freed without the lock.
  const Locked store(*this);
  if (!copy.remove_reader()) return;
  copy.ChangeListener::unlink();
  last = segments_.extract(copy.original().get());
  store->release(copy.original());
}

std::shared_ptr<Segment> StoreView::follow(const std::shared_ptr<Segment>& current) {
  const auto& copy = static_cast<const Copy&>(*current);
  const Locked store(*this);
  // What has begun meanwhile comes with a note that is on its way.
  if (copy.state() == SegmentState::kWaiting && copy.original()->state() != SegmentState::kWaiting)
    return nullptr;
  const auto next = store->follow(copy.original());
  return next ? copy_of(next) : nullptr;
}

void StoreView::listen(const ChannelHead& head, ChangeListener& listener) {
  const auto found = channels_.find(&static_cast<const ChannelCopy&>(head).original());
  if (found != channels_.end() && found->second.get() == &head) found->second->listeners.add(listener);
}

KeptSegments StoreView::kept(const ChannelHead& head, SegmentNumber above) const {
  const Locked store(*this);
  const auto& channel = static_cast<const ChannelCopy&>(head);
  KeptSegments kept = store->kept(channel.original(), above);
  for (auto& segment : kept.segments) {
    auto copy = std::make_shared<Segment>(channel.shared_from_this(), segment->number());
    copy->catch_up_with(*segment);
    segment = std::move(copy);
  }
  return kept;
}

std::shared_ptr<const ChannelHead> StoreView::find(std::string_view name) const {
  const Locked store(*this);
  const auto head = store->find(name);
  return head ? copy_of(head) : nullptr;
}

CloseStatus StoreView::close_segment(std::string_view name, SegmentNumber number) {
  const Locked store(*this);
  return store->close_segment(name, number);
}

bool StoreView::remove(std::string_view name) {
  const Locked store(*this);
  return store->remove(name);
}

void StoreView::sweep() {
  const Locked store(*this);
  store->sweep();
}

void StoreView::begin_shutdown() {
  const Locked store(*this);
  store->begin_shutdown();
}

bool StoreView::writing() const {
  const Locked store(*this);
  return store->writing();
}

void StoreView::end_shutdown() {
  const Locked store(*this);
  store->end_shutdown();
}

std::vector<ChannelReport> StoreView::report() const {
  const Locked store(*this);
  return store->report();
}

StoreTotals StoreView::totals() const {
  const Locked store(*this);
  return store->totals();
}

}  // namespace trickle
