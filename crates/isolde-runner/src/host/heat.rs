//! Temperature, and what makes the CPU slower than it could be.

use super::cpu::frequency_folders;
use super::files::Files;

/// Sensors that are off or broken report values outside this range.
const PLAUSIBLE_MILLICELSIUS: std::ops::RangeInclusive<i64> = -40_000..=150_000;

/// The hottest thermal zone in thousandths of a degree Celsius.
pub(super) fn hottest_millicelsius(files: &Files<'_>) -> Option<i64> {
    let zones = files.entries("sys/class/thermal", "thermal_zone");
    let temperatures = zones.iter().filter_map(|zone| files.number(zone.join("temp")));
    temperatures.filter(|temperature| PLAUSIBLE_MILLICELSIUS.contains(temperature)).max()
}

/// What slows the CPU down or threatens to, in words. Counters of the past are
/// not read, except for the Raspberry Pi's, whose power supply stays what it is.
pub(super) fn throttling(files: &Files<'_>) -> Vec<String> {
    let mut findings = firmware_throttling(files);
    findings.extend(cooling(files));
    findings.extend(frequency_cap(files));
    findings
}

/// Bits of the Raspberry Pi firmware's throttling state, as the documentation of
/// `vcgencmd get_throttled` has them: now, and since the last boot.
const FIRMWARE_FLAGS: [(u32, u32, &str, &str); 4] = [
    (0, 16, "under-voltage", ": use a stronger power supply"),
    (1, 17, "CPU frequency capped by the firmware", ""),
    (2, 18, "throttled by the firmware", ""),
    (3, 19, "soft temperature limit reached", ": improve the cooling"),
];

fn firmware_throttling(files: &Files<'_>) -> Vec<String> {
    let Some(state) = firmware_state(files) else {
        return voltage_alarm(files);
    };
    let mut findings = Vec::new();
    for (now, since_boot, what, advice) in FIRMWARE_FLAGS {
        if state >> now & 1 == 1 {
            findings.push(format!("{what} now{advice}"));
        } else if state >> since_boot & 1 == 1 {
            findings.push(format!("{what} at some time since boot{advice}"));
        }
    }
    findings
}

/// The state as kernels of Raspberry Pi OS show it, in hexadecimal.
fn firmware_state(files: &Files<'_>) -> Option<u32> {
    let mut folders = vec!["sys/devices/platform".to_owned()];
    folders.extend(
        files
            .entries("sys/devices/platform", "soc")
            .iter()
            .map(|folder| folder.to_string_lossy().into_owned()),
    );
    let candidates = folders.iter().flat_map(|folder| files.entries(folder, "soc"));
    let text = candidates
        .filter(|device| device.to_string_lossy().ends_with(":firmware"))
        .find_map(|device| files.text(device.join("get_throttled")))?;
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// What other kernels show on a Raspberry Pi: one alarm.
fn voltage_alarm(files: &Files<'_>) -> Vec<String> {
    let sensors = files.entries("sys/class/hwmon", "hwmon");
    let alarm = sensors.iter().any(|sensor| {
        files.text(sensor.join("name")).as_deref() == Some("rpi_volt")
            && files.number(sensor.join("in0_lcrit_alarm")) == Some(1)
    });
    if alarm { vec!["under-voltage: use a stronger power supply".into()] } else { Vec::new() }
}

/// Cooling devices that cool by slowing the CPU, where they are at work.
fn cooling(files: &Files<'_>) -> Option<String> {
    let devices = files.entries("sys/class/thermal", "cooling_device");
    devices.iter().find_map(|device| {
        let kind = files.text(device.join("type"))?;
        let slows = kind.contains("cpufreq") || ["Processor", "intel_powerclamp"].contains(&&*kind);
        let state = files.number(device.join("cur_state")).filter(|state| *state > 0)?;
        let most = files.number(device.join("max_state"))?;
        slows.then(|| {
            format!("the kernel slows the CPU to cool it ({kind}, step {state} of {most})")
        })
    })
}

/// The CPU whose frequency is held furthest below what it can do.
fn frequency_cap(files: &Files<'_>) -> Option<String> {
    let capped = frequency_folders(files).into_iter().filter_map(|folder| {
        let allowed = files.number(folder.join("scaling_max_freq"))?;
        let possible = files.number(folder.join("cpuinfo_max_freq"))?;
        (0 < allowed && allowed < possible).then_some((allowed, possible))
    });
    let (allowed, possible) = capped.min_by_key(|(allowed, possible)| allowed * 1000 / possible)?;
    // The files are in kHz.
    Some(format!("CPU frequency held to {} MHz of {} MHz", allowed / 1000, possible / 1000))
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::host_with;
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        throttling(&Files::below(host_with(files).path()))
    }

    #[test]
    fn the_firmware_tells_now_from_earlier() {
        let pi = "sys/devices/platform/soc/soc:firmware/get_throttled";
        assert!(found(&[(pi, "0\n")]).is_empty());
        assert!(found(&[(pi, "rubbish\n")]).is_empty());
        let pi = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled";
        assert_eq!(
            found(&[(pi, "80008\n")]),
            ["soft temperature limit reached now: improve the cooling"]
        );
        assert_eq!(
            found(&[(pi, "0x10000\n")]),
            ["under-voltage at some time since boot: use a stronger power supply"]
        );
    }

    #[test]
    fn the_voltage_alarm_of_other_kernels() {
        let sensor = |alarm| {
            found(&[
                ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
                ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm),
            ])
        };
        assert!(sensor("0\n").is_empty());
        assert_eq!(sensor("1\n"), ["under-voltage: use a stronger power supply"]);
    }

    #[test]
    fn only_cooling_that_slows_the_cpu_counts() {
        let device = |kind, state| {
            found(&[
                ("sys/class/thermal/cooling_device0/type", kind),
                ("sys/class/thermal/cooling_device0/cur_state", state),
                ("sys/class/thermal/cooling_device0/max_state", "10"),
            ])
        };
        assert!(device("pwm-fan", "4").is_empty());
        assert!(device("cpufreq-cpu0", "0").is_empty());
        assert!(device("intel_powerclamp", "-1").is_empty());
        assert_eq!(
            device("Processor", "3"),
            ["the kernel slows the CPU to cool it (Processor, step 3 of 10)"]
        );
    }

    #[test]
    fn a_broken_sensor_is_not_the_hottest() {
        let zones = [
            ("sys/class/thermal/thermal_zone0/temp", "45000"),
            ("sys/class/thermal/thermal_zone1/temp", "52500"),
            ("sys/class/thermal/thermal_zone2/temp", "2147483647"),
            ("sys/class/thermal/thermal_zone3/temp", "-274000"),
        ];
        let root = host_with(&zones);
        assert_eq!(hottest_millicelsius(&Files::below(root.path())), Some(52_500));
    }
}
