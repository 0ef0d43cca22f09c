// What StoreView consists of: its calls under the lock, its copies and what it has to look at. Private to
// lib/trickle.
#pragma once

#include <boost/container/small_vector.hpp>
#include <mutex>
#include <utility>

#include "trickle/shared_store.h"

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

}  // namespace trickle
