"""Everything outside the model that a golden bit depends on: threads, instruction set, versions.

Call `pin_cpu()` before anything imports torch: the instruction set is read once, at load time.
"""

import importlib.metadata
import os

PACKAGES = ("numpy", "pillow", "safetensors", "tokenizers", "torch", "torchvision", "transformers")

# AVX2 everywhere, so that a machine with AVX-512 makes the same sums in the same order.
INSTRUCTION_SET = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def pin_cpu():
    """Fix instruction set and thread count through the environment; must run before torch is imported."""
    os.environ.update(INSTRUCTION_SET)


def stay_quiet():
    """No network, no progress bars, no advice."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def pin_torch():
    """Fix what torch decides at run time."""
    stay_quiet()
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # Otherwise torch.empty writes NaN everywhere, and a layer with 128 unused experts costs 9 GB.
    torch.utils.deterministic.fill_uninitialized_memory = False


def versions():
    """Package name -> installed version, local suffixes like +cpu removed."""
    return {name: importlib.metadata.version(name).split("+")[0] for name in PACKAGES}


def cpu():
    """What torch really used, and the environment that made it so."""
    import torch

    return {"capability": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads(),
            "environment": INSTRUCTION_SET}
