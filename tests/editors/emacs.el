;;; emacs.el --- What tests/editors/main.rs asks of stead-mode  -*- lexical-binding: t; -*-

;;; Code:

(require 'cl-lib)
(require 'stead-mode)

(defun emacs-test-face (text)
  "Return the face of the first place of TEXT."
  (goto-char (point-min))
  (let ((case-fold-search nil))
    (search-forward text))
  (get-text-property (match-beginning 0) 'face))

(find-file (getenv "STEAD_SAMPLE"))
(princ (format "mode %s\n" major-mode))
(font-lock-ensure)
(dolist (text '("## Doc" "state web" "web(" "Port" "0644" "\"/etc/x" "block {" "after" "name\\"))
  (princ (format "%s: %s\n" text (emacs-test-face text))))
(let ((before (buffer-string)))
  (goto-char (point-min))
  (while (not (eobp))
    (unless (or (looking-at-p "[ \t]*$") (nth 3 (syntax-ppss)))
      (delete-horizontal-space))
    (forward-line 1))
  (indent-region (point-min) (point-max))
  (princ (format "indented as before: %s\n" (string= before (buffer-string)))))

(cl-letf (((symbol-function 'stead--run)
           (lambda (arguments)
             (princ (mapconcat #'identity
                               (cons (car arguments) (cons "ROOT" (cddr arguments)))
                               " "))
             (princ "\n"))))
  (princ "plan here: ")
  (stead-plan "")
  (princ "plan there: ")
  (stead-plan "web-1"))

;;; emacs.el ends here
