package certificate

// parseValidity reads the two dates (RFC 5280 §4.1.2.5).
func (r *Record) parseValidity(b []byte) {
	if b == nil {
		return // noted by whoever looked for it
	}
	r.NotBefore, b = r.parseTime(b, "notBefore")
	r.NotAfter, _ = r.parseTime(b, "notAfter")
}

func (r *Record) parseTime(b []byte, field string) (at int64, rest []byte) {
	if len(b) >= 15 && b[0] == tagUTCTime && b[1] == 13 && b[14] == 'Z' { // nearly all
		if at, ok := utcTime(b[2:14]); ok {
			return at, b[15:]
		}
	}
	tag, text, rest, ok := cut(b)
	if !ok {
		r.note(field, "missing")
		return NoTime, rest
	}
	year := 0
	switch tag {
	case tagUTCTime:
		year, text, ok = number(text, 2)
		if year += 1900; year < 1950 {
			year += 100
		}
	case tagGeneralizedTime:
		year, text, ok = number(text, 4)
	default:
		ok = false
	}
	if ok {
		at, ok = unixTime(year, text)
	}
	if !ok {
		r.note(field, "no date")
		return NoTime, rest
	}
	return at, rest
}

// utcTime reads YYMMDDhhmmss, with the years 1950 to 2049 (RFC 5280 §4.1.2.5.1).
func utcTime(b []byte) (int64, bool) {
	ok := true
	two := func(i int) int {
		hi, lo := b[i]-'0', b[i+1]-'0'
		ok = ok && hi <= 9 && lo <= 9
		return int(hi)*10 + int(lo)
	}
	year := 1900 + two(0)
	if year < 1950 {
		year += 100
	}
	at, valid := civil(year, two(2), two(4), two(6), two(8), two(10))
	return at, ok && valid
}

// number reads so many decimal digits.
func number(b []byte, digits int) (n int, rest []byte, ok bool) {
	if len(b) < digits {
		return 0, b, false
	}
	for _, c := range b[:digits] {
		if c < '0' || c > '9' {
			return 0, b, false
		}
		n = n*10 + int(c-'0')
	}
	return n, b[digits:], true
}

// unixTime reads what follows the year: MMDDhhmm[ss[.fraction]] and a zone, as s since 1970.
func unixTime(year int, b []byte) (int64, bool) {
	var f [4]int // month, day, hour, minute
	ok := true
	for i := range f {
		var o bool
		f[i], b, o = number(b, 2)
		ok = ok && o
	}
	second, b, found := number(b, 2)
	if found && len(b) > 0 && b[0] == '.' {
		for b = b[1:]; len(b) > 0 && b[0] >= '0' && b[0] <= '9'; b = b[1:] {
		}
	}
	east, zoned := zone(b)
	at, valid := civil(year, f[0], f[1], f[2], f[3], second)
	return at - int64(east), ok && zoned && valid
}

// civil gives the s since 1970 of a date and time in UTC, if there is such a one.
func civil(year, month, day, hour, minute, second int) (int64, bool) {
	if month < 1 || month > 12 || day < 1 || day > 28 && day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return int64(daysSince1970(year, month, day))*86400 + int64(hour*3600+minute*60+second), true
}

// zone reads Z, ±hhmm, or nothing (taken as Z), as s east of Greenwich.
func zone(b []byte) (east int, ok bool) {
	if len(b) == 0 || len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != 5 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	hours, _, ok1 := number(b[1:], 2)
	minutes, _, ok2 := number(b[3:], 2)
	if east = hours*3600 + minutes*60; b[0] == '-' {
		east = -east
	}
	return east, ok1 && ok2 && hours < 24 && minutes < 60
}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int) int {
	switch month {
	case 2:
		if leap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSince1970 counts days in the Gregorian calendar, by counting years from March on so that leap days come last.
func daysSince1970(year, month, day int) int {
	if month -= 3; month < 0 {
		month += 12
		year--
	}
	year += 400 // year 0 must not go negative
	days := 365*year + year/4 - year/100 + year/400
	return days + (153*month+2)/5 + day - 1 - 719468 - 146097
}
