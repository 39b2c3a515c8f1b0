# Prints FILE:LINE:code of C sources, with comments, strings and character constants emptied.
FNR == 1 { in_comment = 0 }
{
	line = $0
	out = ""
	n = length(line)
	for (i = 1; i <= n; i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") { in_comment = 0; i++ }
			continue
		}
		if (two == "/*") { in_comment = 1; i++; continue }
		if (two == "//") break
		if (c == "\"" || c == "'") {
			quote = c
			out = out quote
			for (i++; i <= n; i++) {
				c = substr(line, i, 1)
				if (c == "\\") { i++; continue }
				if (c == quote) break
			}
			out = out quote
			continue
		}
		out = out c
	}
	if (out ~ /[^ \t]/) print FILENAME ":" FNR ":" out
}
