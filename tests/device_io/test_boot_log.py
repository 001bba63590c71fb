"""Boot logs as ROM, bootloader and applications print them, and what they mean."""

from __future__ import annotations

import pytest

from device_io.boot_log import GUIDE, Severity, explain, in_words
from device_io.virtual_module.firmware import boot_log
from device_io.virtual_module.module import VirtualModule

POWER_ON = "ets Jul 29 2019 12:21:46\n\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n"
AGAIN = "rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n"


def keys(log: str) -> list[str]:
    return [finding.key for finding in explain(log)]


@pytest.mark.parametrize(
    ("log", "key"),
    [
        ("Brownout detector was triggered\n", "brown-out"),
        ("rst:0xf (RTCWDT_BROWN_OUT_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", "brown-out"),
        ("E BOD: Brownout detector was triggered", "brown-out"),
        ("flash read err, 1000\nets_main.c 371 ", "no-bootloader"),
        ("invalid header: 0xffffffff\ninvalid header: 0xffffffff", "no-bootloader"),
        ("csum err:0x9a!=0x5f\nets_main.c 371", "damaged-image"),
        ("E (90) esp_image: Checksum failed. Calculated 0x5f read 0x9a", "damaged-image"),
        ("E (90) esp_image: Image hash failed - image is corrupt", "damaged-image"),
        ("E (66) esp_image: image at 0x10000 has invalid magic byte (nothing flashed here?)", "damaged-image"),
        ("E (41) boot: Failed to verify partition table", "bad-partition-table"),
        ("E (92) boot: No bootable app partitions in the partition table", "no-application"),
        ("rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))", "download-mode"),
        ("waiting for download", "download-mode"),
        ("Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.", "panic"),
        ("abort() was called at PC 0x400d1234 on core 0", "panic"),
        ("E (10303) task_wdt: Task watchdog got triggered. The following tasks did not reset", "watchdog"),
        ("rst:0x8 (TG1WDT_SYS_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", "watchdog"),
        ("E (50) secure_boot_v2: Secure Boot V2 verification failed.", "secure-boot"),
        ("E (12) boot_comm: mismatch chip ID, expected 0, found 5", "wrong-chip"),
        ("E (66) boot: Factory app partition is not bootable", "slot-skipped"),
        ("W (338) nvs: no settings, using defaults", "settings-erased"),
        ("E (400) example: nvs_flash_init failed (0x1105)", "settings-erased"),
        ("ESP_ERROR_CHECK failed: esp_err_t 0x1105 (ESP_ERR_NVS_NO_FREE_PAGES) at 0x400d2a3c", "settings-erased"),
        (
            "SHA-256 comparison failed:\nCalculated: 1d1f28\nExpected: ffffff\nAttempting to boot anyway...",
            "damaged-image",
        ),
        ("Secure boot failed\nets_main.c 329", "secure-boot"),
        ("secure boot check fail\nets_main.c 371", "secure-boot"),
        (
            "E (380) spi_flash: Detected size(2048k) smaller than the size in the binary image header(4096k).",
            "flash-too-small",
        ),
        ("ESP-ROM:esp32s3-20210327\nrst:0x15 (USB_UART_CHIP_RESET),boot:0x23 (DOWNLOAD(USB/UART0))", "download-mode"),
        ("ESP-ROM:esp32c3-api1-20210207\nrst:0x1 (POWERON),boot:0x4 (DOWNLOAD(USB/UART0/1))", "download-mode"),
        ("ESP-ROM:esp32c3-api1-20210207\nrst:0xf (BROWNOUT_RST),boot:0xc (SPI_FAST_FLASH_BOOT)", "brown-out"),
        ("ESP-ROM:esp32s3-20210327\nrst:0x7 (TG0WDT_SYS_RST),boot:0x8\ninvalid header: 0xffffffff", "no-bootloader"),
        ("W (340) cal: no calibration", "no-calibration"),
    ],
)
def test_each_trouble_has_its_name(log, key):
    found = explain(log)
    assert key in [finding.key for finding in found]
    (finding,) = [finding for finding in found if finding.key == key]
    assert finding.severity in (Severity.BAD, Severity.WARN)
    assert finding.title
    assert finding.advice.endswith(".")
    assert finding.line


def test_a_sound_start_is_just_that():
    found = explain(boot_log(VirtualModule("clean")))
    assert [(finding.key, finding.severity) for finding in found] == [("started", Severity.OK)]
    assert in_words(found) == ""


def test_nothing_is_made_of_what_is_no_boot_log():
    assert explain("") == ()
    assert explain("$GPGGA,123519,4807.038,N,01131.000,E\nhello\x00\ufffd") == ()


def test_a_loop_is_told_beside_its_cause():
    log = POWER_ON + "flash read err, 1000\nets_main.c 371 \n" + (AGAIN + "flash read err, 1000\nets_main.c 371 \n") * 3
    assert keys(log) == ["boot-loop", "no-bootloader"]
    assert "bootloader" in in_words(explain(log))


def test_pressing_reset_or_waking_is_no_loop():
    assert keys(POWER_ON * 4) == []
    assert keys("rst:0x5 (DEEPSLEEP_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n" * 9) == []


def test_a_panic_comes_with_its_backtrace():
    log = (
        "Guru Meditation Error: Core  0 panic'ed (StoreProhibited). Exception was unhandled.\n"
        "Backtrace: 0x400d2a3c:0x3ffb5c60 0x400d1f6a:0x3ffb5c90\nrst:0xc (SW_CPU_RESET),boot:0x13\n"
    )
    (panic,) = explain(log)
    assert "0x400d2a3c:0x3ffb5c60" in panic.line


def test_the_worst_comes_first_and_each_once():
    log = "W (340) cal: no calibration\n" * 3 + "Brownout detector was triggered\n" * 3
    assert keys(log) == ["brown-out", "no-calibration"]


def test_the_guide_names_the_right_button():
    assert any("BOOT" in step for step in GUIDE)
    assert any("RESET" in step for step in GUIDE)
