"""Convolutional networks as torch modules; importing this module needs torch.

Layers follow the papers that the models of the zoo name as their source.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def unit(inputs: int, outputs: int, kernel: int, stride: int = 1, slope: float = 0.0) -> nn.Sequential:
    """Return convolution, batch norm and activation; with a slope the activation is a leaky ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    activation = nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), activation)


class Bottleneck(nn.Module):
    """A residual block of ResNet-50: 1 x 1, 3 x 3 with the stride, 1 x 1 to four times the width."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.body = nn.Sequential(
            unit(inputs, width, 1),
            unit(width, width, 3, stride),
            nn.Conv2d(width, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's change to its input."""
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet50(nn.Module):
    """ResNet-50 v1.5 for images of 224 x 224."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1))
        blocks: list[nn.Module] = []
        inputs = 64
        for stage, depth in enumerate((3, 4, 6, 3)):
            width = 64 * 2**stage
            for number in range(depth):
                blocks.append(Bottleneck(inputs, width, 2 if stage and number == 0 else 1))
                inputs = 4 * width
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return a score per class."""
        scores: Tensor = self.head(self.stages(self.stem(x)).mean((2, 3)))
        return scores


class WideBottleneck(nn.Module):
    """A bottleneck block of torchvision's ResNet whose inner width is free; modules are named as torchvision's are."""

    def __init__(self, inputs: int, width: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu1, self.relu2, self.relu = nn.ReLU(), nn.ReLU(), nn.ReLU()
        projects = inputs != outputs or stride != 1
        self.downsample = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if projects else nn.Identity()
        self.downsample_bn = nn.BatchNorm2d(outputs) if projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's change to its input."""
        change = self.relu2(self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))))
        added: Tensor = self.relu(self.bn3(self.conv3(change)) + self.downsample_bn(self.downsample(x)))
        return added


class WideResNet(nn.Module):
    """The Wide-ResNet of Slapo's artifact: torchvision's ResNet with a wide group, for images of 224 x 224.

    Parameters
    ----------
    depths : sequence of int
        Blocks of each stage.
    base : int
        Channels before the first stage; stage n makes 4 x 2^n times as many.
    width : int
        Inner width of the first stage, which doubles from stage to stage.
    classes : int
        Columns of the output.
    """

    def __init__(
        self, depths: Sequence[int] = (6, 8, 46, 6), base: int = 64, width: int = 448, classes: int = 1000
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, base, 7, 2, 3, bias=False), nn.BatchNorm2d(base)
        self.relu, self.max_pool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        inputs = base
        for stage, depth in enumerate(depths):
            outputs = base * 4 * 2**stage
            blocks = []
            for number in range(depth):
                stride = 2 if stage and number == 0 else 1
                blocks.append(WideBottleneck(inputs, width * 2**stage, outputs, stride))
                inputs = outputs
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.stages = len(depths)
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return a score per class."""
        x = self.max_pool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        scores: Tensor = self.linear(x.mean((2, 3)))
        return scores


class VGG19(nn.Module):
    """VGG-19 without batch norm, for images of 224 x 224."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width, depth in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
            for _ in range(depth):
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers, nn.Flatten())
        hidden: list[nn.Module] = []
        for width in (512 * 7 * 7, 4096):
            hidden += [nn.Linear(width, 4096), nn.ReLU(inplace=True), nn.Dropout()]
        self.head = nn.Sequential(*hidden, nn.Linear(4096, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return a score per class."""
        scores: Tensor = self.head(self.features(x))
        return scores


class ShuffleUnit(nn.Module):
    """A unit of ShuffleNet v2; one of stride 2 passes all channels through both branches."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half, self.split = outputs // 2, stride == 1
        own = half if self.split else inputs
        self.right = nn.Sequential(unit(own, half, 1), *self._depthwise(half, stride), unit(half, half, 1))
        self.left: nn.Module = nn.Identity()
        if not self.split:
            self.left = nn.Sequential(*self._depthwise(inputs, stride), unit(inputs, half, 1))

    @staticmethod
    def _depthwise(channels: int, stride: int) -> tuple[nn.Module, nn.Module]:
        conv = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        return conv, nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Put both branches side by side, their channels in turn."""
        left, right = x.chunk(2, dim=1) if self.split else (x, x)
        both = torch.cat([self.left(left), self.right(right)], dim=1)
        batch, channels, height, width = both.shape
        return both.view(batch, 2, channels // 2, height, width).transpose(1, 2).flatten(1, 2)


class ShuffleNetV2(nn.Module):
    """ShuffleNet v2 x1.0 for images of 224 x 224."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        blocks: list[nn.Module] = [unit(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)]
        inputs = 24
        for width, depth in ((116, 4), (232, 8), (464, 4)):
            for number in range(depth):
                blocks.append(ShuffleUnit(inputs, width, 1 if number else 2))
                inputs = width
        self.features = nn.Sequential(*blocks, unit(inputs, 1024, 1))
        self.head = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return a score per class."""
        scores: Tensor = self.head(self.features(x).mean((2, 3)))
        return scores


class DarkResidual(nn.Module):
    """A residual block of Darknet-53."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            unit(channels, channels // 2, 1, slope=0.1), unit(channels // 2, channels, 3, slope=0.1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's change to its input."""
        change: Tensor = self.body(x)
        return x + change


class YOLOv3(nn.Module):
    """YOLOv3 on Darknet-53 with heads for 20 classes, for images of 416 x 416."""

    def __init__(self, classes: int = 20) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        inputs = 32
        for depth in (1, 2, 8, 8, 4):
            blocks = [DarkResidual(2 * inputs) for _ in range(depth)]
            stages.append(nn.Sequential(unit(inputs, 2 * inputs, 3, 2, slope=0.1), *blocks))
            inputs *= 2
        self.early = nn.Sequential(unit(3, 32, 3, slope=0.1), *stages[:3])
        self.middle, self.late = stages[3], stages[4]
        # of each scale: input channels of its neck, and half of its width
        scales = ((1024, 512), (768, 256), (384, 128))
        self.necks = nn.ModuleList(self._neck(channels, half) for channels, half in scales)
        self.heads = nn.ModuleList(self._head(half, 3 * (5 + classes)) for _, half in scales)
        self.lifts = nn.ModuleList(
            nn.Sequential(unit(half, half // 2, 1, slope=0.1), nn.Upsample(scale_factor=2)) for _, half in scales[:2]
        )

    @staticmethod
    def _neck(inputs: int, half: int) -> nn.Sequential:
        sizes = ((inputs, half, 1), (half, 2 * half, 3), (2 * half, half, 1), (half, 2 * half, 3), (2 * half, half, 1))
        return nn.Sequential(*(unit(*each, slope=0.1) for each in sizes))

    @staticmethod
    def _head(half: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(unit(half, 2 * half, 3, slope=0.1), nn.Conv2d(2 * half, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the numbers of all boxes of the three scales, coarse first."""
        fine = self.early(x)
        middle = self.middle(fine)
        out = self.necks[0](self.late(middle))
        boxes = [self.heads[0](out)]
        for number, skipped in enumerate((middle, fine), 1):
            out = self.necks[number](torch.cat([self.lifts[number - 1](out), skipped], dim=1))
            boxes.append(self.heads[number](out))
        return torch.cat([each.flatten(2) for each in boxes], dim=2)
