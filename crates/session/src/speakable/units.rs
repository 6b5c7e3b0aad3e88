//! Units of measure, by how they are written.

/// What a unit is called after one and after many.
pub(super) struct Unit {
    written: &'static str,
    pub(super) one: &'static str,
    pub(super) many: &'static str,
}

/// The unit that is written so.
pub(super) fn unit(written: &str) -> Option<&'static Unit> {
    UNITS.iter().find(|unit| unit.written == written)
}

const fn of(written: &'static str, one: &'static str, many: &'static str) -> Unit {
    Unit { written, one, many }
}

const UNITS: [Unit; 58] = [
    of("%", "percent", "percent"),
    of("°", "degree", "degrees"),
    of("°C", "degree Celsius", "degrees Celsius"),
    of("°F", "degree Fahrenheit", "degrees Fahrenheit"),
    of("km", "kilometer", "kilometers"),
    of("m", "meter", "meters"),
    of("cm", "centimeter", "centimeters"),
    of("mm", "millimeter", "millimeters"),
    of("mi", "mile", "miles"),
    of("ft", "foot", "feet"),
    of("yd", "yard", "yards"),
    of("sqft", "square foot", "square feet"),
    of("sq ft", "square foot", "square feet"),
    of("sq m", "square meter", "square meters"),
    of("m²", "square meter", "square meters"),
    of("km/h", "kilometer per hour", "kilometers per hour"),
    of("kph", "kilometer per hour", "kilometers per hour"),
    of("mph", "mile per hour", "miles per hour"),
    of("m/s", "meter per second", "meters per second"),
    of("kg", "kilogram", "kilograms"),
    of("g", "gram", "grams"),
    of("mg", "milligram", "milligrams"),
    of("lb", "pound", "pounds"),
    of("lbs", "pound", "pounds"),
    of("oz", "ounce", "ounces"),
    of("l", "liter", "liters"),
    of("L", "liter", "liters"),
    of("ml", "milliliter", "milliliters"),
    of("mL", "milliliter", "milliliters"),
    of("gal", "gallon", "gallons"),
    of("h", "hour", "hours"),
    of("hr", "hour", "hours"),
    of("hrs", "hour", "hours"),
    of("min", "minute", "minutes"),
    of("mins", "minute", "minutes"),
    of("sec", "second", "seconds"),
    of("secs", "second", "seconds"),
    of("ms", "millisecond", "milliseconds"),
    of("KB", "kilobyte", "kilobytes"),
    of("kB", "kilobyte", "kilobytes"),
    of("MB", "megabyte", "megabytes"),
    of("GB", "gigabyte", "gigabytes"),
    of("TB", "terabyte", "terabytes"),
    of("Mbps", "megabit per second", "megabits per second"),
    of("Gbps", "gigabit per second", "gigabits per second"),
    of("Hz", "hertz", "hertz"),
    of("kHz", "kilohertz", "kilohertz"),
    of("MHz", "megahertz", "megahertz"),
    of("GHz", "gigahertz", "gigahertz"),
    of("W", "watt", "watts"),
    of("kW", "kilowatt", "kilowatts"),
    of("kWh", "kilowatt hour", "kilowatt hours"),
    of("V", "volt", "volts"),
    of("kcal", "kilocalorie", "kilocalories"),
    of("bps", "bit per second", "bits per second"),
    of("dB", "decibel", "decibels"),
    of("x", "times", "times"),
    of("pt", "point", "points"),
];
