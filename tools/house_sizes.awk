# Prints "RULE FILE LINE" for what is larger than STYLE rule 2 allows. KNF makes it a matter of columns: a function's name begins a
# line, its body is between "{" and "}" in column one, and each level of nesting is one tab.
function finish_file() {
	if (path != "" && path_lines > 500) print "file_length", path, path_lines
}
function count_parameters(text,    i, c, depth, n) {
	sub(/^[^(]*\(/, "", text)
	n = 1
	depth = 0
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "(") depth++
		if (c == ")") { if (depth == 0) break; depth-- }
		if (c == "," && depth == 0) n++
	}
	return n
}
FNR == 1 { finish_file(); path = FILENAME; in_function = 0; signature = "" }
{ path_lines = FNR }
/^[a-z_][A-Za-z0-9_]*\(/ && !in_function { signature = $0; start = FNR; next }
signature != "" && !in_function && /^[ \t]/ { signature = signature " " $0; next }
/^\{/ && signature != "" {
	in_function = 1
	if (count_parameters(signature) > 5) print "parameters", FILENAME, start
	next
}
/^\}/ && in_function {
	if (FNR - start + 1 > 60) print "function_length", FILENAME, start
	in_function = 0
	signature = ""
	next
}
in_function && /^#[ \t]*(if|ifdef|ifndef|else|elif)/ { print "conditional_code", FILENAME, FNR }
in_function && /^\t\t\t\t\t+(if|for|while|switch|do|return|break|continue)[^A-Za-z0-9_]/ { print "nesting", FILENAME, FNR }
/^[^ \t{]/ && !in_function { signature = "" }
END { finish_file() }
