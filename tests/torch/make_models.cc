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
  save(folder, "wrong_shape", R"(
def forward(self, x):
    return x.sum(dim=3)
)");
  return 0;
}
