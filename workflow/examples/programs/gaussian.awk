# The Gaussian of maximum likelihood of the rows of a first file, in awk.
#
# awk -v log_prob=FILE -v drawn=FILE -v seed=N -v samples=N -f gaussian.awk TRAIN TEST writes
# log N(x; m, C) in nats of each row x of TEST, C = sum (x - m)(x - m)^T / n, and samples m + L z,
# C = L L^T, z ~ N(0, I) (Box and Muller, 1958). Rows are numbers with blanks between.

NR == FNR { add(); next }
FNR == 1 { fit() }
{ printf "%.17g\n", log_density() > log_prob }
END { srand(seed); for (row = 0; row < samples; row++) draw() }

# Sums of the differences from the first row, and of their products.
function add(    i, j) {
    if (FNR == 1) for (i = 1; i <= NF; i++) first[i] = $i
    for (i = 1; i <= NF; i++) {
        sum[i] += $i - first[i]
        for (j = 1; j <= i; j++) product[i, j] += ($i - first[i]) * ($j - first[j])
    }
    rows = FNR; dim = NF
}

# The mean, and the Cholesky factor L of the covariance, column by column.
function fit(    i, j, k, rest) {
    log_det = 0
    for (i = 1; i <= dim; i++) mean[i] = first[i] + sum[i] / rows
    for (j = 1; j <= dim; j++) for (i = j; i <= dim; i++) {
        rest = product[i, j] / rows - sum[i] / rows * sum[j] / rows
        for (k = 1; k < j; k++) rest -= factor[i, k] * factor[j, k]
        if (i == j && rest <= 0) fail("the rows lie in a subspace: column " j " follows from others")
        factor[i, j] = i == j ? sqrt(rest) : rest / factor[j, j]
        if (i == j) log_det += log(factor[j, j])
    }
}

# -|y|^2 / 2 - log det L - dim / 2 log(2 pi), L y = x - m.
function log_density(    i, k, y, squares) {
    squares = 0
    for (i = 1; i <= dim; i++) {
        y[i] = $i - mean[i]
        for (k = 1; k < i; k++) y[i] -= factor[i, k] * y[k]
        y[i] /= factor[i, i]
        squares += y[i] ^ 2
    }
    return -squares / 2 - log_det - dim / 2 * log(8 * atan2(1, 1))
}

function draw(    i, k, z, x, line) {
    line = ""
    for (i = 1; i <= dim; i++) {
        z[i] = sqrt(-2 * log(1 - rand())) * cos(8 * atan2(1, 1) * rand())
        x = mean[i]
        for (k = 1; k <= i; k++) x += factor[i, k] * z[k]
        line = line sprintf("%.17g ", x)
    }
    print line > drawn
}

function fail(words) {
    samples = 0
    print "gaussian.awk: " words > "/dev/stderr"
    exit 1
}
