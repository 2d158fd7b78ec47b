// Hands the answer to the application at once; the button does the same.
document.getElementById('form-post').submit()
