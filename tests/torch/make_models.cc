// Writes the TorchScript models that the tests use into a folder: make_models DIR.
#include <torch/script.h>

#include <iostream>
#include <string>

namespace {

void save(const std::string& folder, const std::string& name, const std::string& source) {
  torch::jit::Module module(name);
  module.register_attribute("calls", c10::IntType::get(), 0);
  module.define(source);
  module.save(folder + "/" + name + ".pt");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_models DIR\n";
    return 2;
  }
  const std::string folder = argv[1];
  save(folder, "red_tint", R"(
def forward(self, x):
    y = x.clone()
    y[:, :, :, 0] += 0.3
    return y
)");
  save(folder, "grey", R"(
def forward(self, x):
    return x.mean(dim=3, keepdim=True)
)");
  save(folder, "half_size_planar", R"(
def forward(self, x):
    return torch.avg_pool2d(x, [2, 2])
)");
  save(folder, "bytes", R"(
def forward(self, x):
    return 255 - x
)");
  // Three calls go into warming up, so this is the seventh frame.
  save(folder, "fails_on_frame_7", R"(
def forward(self, x):
    self.calls += 1
    assert self.calls != 10
    return x
)");
  // 4 PiB, which no address space has room for.
  save(folder, "out_of_memory_on_frame_7", R"(
def forward(self, x):
    self.calls += 1
    if self.calls == 10:
        x = x + torch.empty([1125899906842624])[0]
    return x
)");
  save(folder, "swap_by_convolution", R"(
def forward(self, x):
    w = torch.zeros([3, 3, 3, 3])
    w[0, 2, 1, 1] = 1.0
    w[1, 1, 1, 1] = 1.0
    w[2, 0, 1, 1] = 1.0
    return torch.conv2d(x, w, None, [1, 1], [1, 1])
)");
  save(folder, "wild", R"(
def forward(self, x):
    y = x.clone()
    y[:, :, :, 0] = 7.5
    y[:, :, :, 1] = -3.0
    y[:, :, :, 2] = float('nan')
    return y
)");
  save(folder, "counts_batch", R"(
def forward(self, x):
    return x * 0 + x.size(0) / 10
)");
  // Fails on any batch with a white frame in it.
  save(folder, "hates_white", R"(
def forward(self, x):
    assert bool(x.max() < 1.0)
    return x
)");
  save(folder, "tells", R"(
def forward(self, x):
    return x, [1.5, 2.0], "two faces"
)");
  save(folder, "only_tells", R"(
def forward(self, x):
    return [x.size(1), x.size(2)]
)");
  save(folder, "slow", R"(
def forward(self, x):
    z = torch.zeros([1])
    for i in range(50000):
        z = z + 1
    return x + z * 0
)");
  save(folder, "wrong_shape", R"(
def forward(self, x):
    return x.sum(dim=3)
)");
  return 0;
}
